// SPDX-License-Identifier: Apache-2.0

package cli

import "github.com/spf13/cobra"

// addSeeing adds what shows how Operations go.
func addSeeing(env *Env, root *cobra.Command) {
	root.AddCommand(newGet(env), newWatch(env), newDescribe(env), newLogs(env))
}

// addFleet adds what shows the fleet, and vw itself.
func addFleet(env *Env, root *cobra.Command) {
	root.AddCommand(newClusters(env), newApps(env), newTemplates(env), newVersion(env), newDoctor(env), newDemo())
	addCompletion(env, root)
}
