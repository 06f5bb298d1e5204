// SPDX-License-Identifier: Apache-2.0

package cli

import "github.com/spf13/cobra"

// addAsking adds what makes Operations.
func addAsking(_ *Env, _ *cobra.Command) {}

// addSeeing adds what shows how Operations go.
func addSeeing(env *Env, root *cobra.Command) {
	root.AddCommand(newDescribe(env), newLogs(env))
}

// addSteering adds what changes Operations that are there.
func addSteering(_ *Env, _ *cobra.Command) {}

// addFleet adds what shows the fleet, and vw itself.
func addFleet(_ *Env, _ *cobra.Command) {}
