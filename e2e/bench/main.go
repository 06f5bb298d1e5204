// SPDX-License-Identifier: Apache-2.0

// Command bench measures vWorkspace Fleet at fleet scale, beside the floor that the API server sets and beside its peers, on one machine in one run. It
// starts a real hub, makes as many fake clusters as asked for, and writes what it has measured into a folder: bench.json, bench.md and pictures.
//
// It asserts nothing: the machines are small and noisy, and figures of two runs are not compared. What may not get worse is counted, not timed, by the test
// beside it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"vworkspace.io/fleet/e2e/bench/arms"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

const long = `Measure vWorkspace Fleet at fleet scale: beside plain client-go, which is the floor, and beside its peers.

  race     one payload to N clusters and their reports back, by every arm in ABBA order
  restart  the hub restarts among 5,000 finished works, and then has nothing to do
  latency  from the hub to a spoke's Job and back, on a fleet of real control planes
  crowd    100 Operations live at once on 10,000 clusters, and a small urgent one behind them

The first run builds what is missing: the testbed's components, and for the arms of peers those too. An hour or more in all; choose with the flags.`

func newCommand() *cobra.Command {
	p := &plan{}
	cmd := &cobra.Command{
		Use:           "bench",
		Short:         "Measure at fleet scale, beside the floor and beside peers",
		Long:          long,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}
			return p.run(cmd.Context(), cmd.ErrOrStderr(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&p.scenarios, "scenarios", scenarios, "what to measure")
	f.StringSliceVar(&p.arms, "arms", slices.DeleteFunc(names(arms.All()), func(a string) bool { return a == "azure-lifted" }), "arms of the race; also azure-lifted, which takes as long as azure")
	f.IntSliceVar(&p.sizes, "clusters", []int{50, 200, 1000}, "numbers of clusters of the race, for all arms")
	f.IntSliceVar(&p.ours, "ours", []int{5000, 10000}, "more numbers of clusters, for ours and the floor alone; 0 for none")
	f.IntVar(&p.rounds, "rounds", 5, "turns of every arm for every number of clusters")
	f.IntVar(&p.live, "live", 100, "Operations of the crowd: one on all of its clusters, the others on a twentieth of them each")
	f.IntVar(&p.crowd, "crowd", 10000, "clusters of the crowd")
	f.StringVar(&p.out, "out", "dist/bench", "folder for bench.json, bench.md and the pictures")
	f.StringVar(&p.profiles, "profiles", "", "folder for profiles (processor, heap, locks) of the hub in the crowd, for go tool pprof; none by default")
	return cmd
}
