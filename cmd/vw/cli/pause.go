// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"github.com/spf13/cobra"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/steer"
)

// simple makes a decision of one that needs nothing but the Operation.
func simple(decide func(*opsv1alpha1.Operation) (steer.Step, error)) func(context.Context, *opsv1alpha1.Operation) (steer.Step, error) {
	return func(_ context.Context, op *opsv1alpha1.Operation) (steer.Step, error) { return decide(op) }
}

func newPause(env *Env) *cobra.Command {
	return newSteering(&steering{env: env, decide: simple(steer.Pause)}, "pause OPERATION...", "Start no other cluster",
		"Start no other cluster of a fleet Operation until vw resume. What runs goes on to its end.",
		"  vw pause upgrade-x7k2p")
}

func newResume(env *Env) *cobra.Command {
	return newSteering(&steering{env: env, decide: simple(steer.Resume)}, "resume OPERATION...", "Start clusters again after vw pause",
		"Start clusters of a fleet Operation again that vw pause, or --suspend, holds back.",
		"  vw resume upgrade-x7k2p")
}

func newCancel(env *Env) *cobra.Command {
	s := &steering{env: env, decide: simple(steer.Cancel), asks: "Cancel %s? It cannot be taken back."}
	yes := false
	cmd := newSteering(s, "cancel OPERATION...", "Stop a run as far as its engine can",
		`Stop a run: clusters that were not started are left out, and what runs is told to stop, as far as its engine can. It cannot be taken back; vw retry runs
what was left out.`,
		"  vw cancel upgrade-x7k2p")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "Do not ask; nobody is asked where standard input is no terminal")
	cmd.PreRun = func(*cobra.Command, []string) {
		if yes {
			s.asks = ""
		}
	}
	return cmd
}
