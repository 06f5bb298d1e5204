// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"testing"

	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

// TestConform holds the engine to the laws in each way in which it works.
func TestConform(t *testing.T) {
	for _, name := range []string{
		"plan-minimal", "plan-direct", "plan-schedule", "plan-snapshot", "plan-restore-existing", "plan-restore-new", "plan-restore-snapshot",
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.Conform(t, func(t testing.TB) enginetest.Subject {
				return enginetest.Subject{
					Engine:    New(),
					Run:       engines.Run{Cluster: "cluster1", Operation: readOperation(t, name)},
					Live:      enginetest.ReadObjects(t, "testdata/"+name+"/live.yaml"),
					Artefacts: []string{kindSnapshot, kindClaim, kindDestination},
				}
			})
		})
	}
}
