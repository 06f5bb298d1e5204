// SPDX-License-Identifier: Apache-2.0

// Package all is the list of the engines that this project ships. It is a package of its own because the engines import package engines.
package all

import (
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/helm"
	"vworkspace.io/fleet/engines/helmhookjob"
	"vworkspace.io/fleet/engines/job"
	"vworkspace.io/fleet/engines/velero"
	"vworkspace.io/fleet/engines/volsync"
	"vworkspace.io/fleet/engines/workflow"
)

// Default holds every engine that this project ships.
func Default() *engines.Registry {
	return engines.NewRegistry(
		helm.New(),
		helmhookjob.New(),
		job.New(),
		velero.New(velero.DefaultNamespace),
		volsync.New(),
		workflow.New(),
	)
}
