// SPDX-License-Identifier: Apache-2.0

package cli

import "github.com/spf13/cobra"

// addSeeing adds what shows how Operations go.
func addSeeing(_ *Env, _ *cobra.Command) {}

// addFleet adds what shows the fleet, and vw itself.
func addFleet(_ *Env, _ *cobra.Command) {}
