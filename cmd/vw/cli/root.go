// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"vworkspace.io/fleet/cmd/vw/safe"
)

// Run vw with its arguments, the program's name first, and return the exit status.
func Run(version string, args []string) int {
	ctrllog.SetLogger(logr.Discard()) // the client library's own log is not for people
	env := newEnv(version, genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr})
	root := newRoot(env, displayName(args[0]))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return execute(ctx, env, root, args[1:])
}

func execute(ctx context.Context, env *Env, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.ErrOut)
	err := explain(env, root.ExecuteContext(ctx))
	if err != nil {
		fmt.Fprintln(env.ErrOut, "Error:", safe.Lines(err.Error()))
	}
	return statusOf(err)
}

// displayName is how vw was called: kubectl calls kubectl-vw for `kubectl vw`.
func displayName(program string) string {
	if strings.HasPrefix(filepath.Base(program), "kubectl-") {
		return "kubectl vw"
	}
	return "vw"
}

// Groups of commands, in the order of --help.
const (
	groupRun   = "run"
	groupSee   = "see"
	groupSteer = "steer"
	groupFleet = "fleet"
)

func newRoot(env *Env, name string) *cobra.Command {
	root := &cobra.Command{
		Use:           "vw",
		Short:         "Day-2 operations on fleets of Helm-deployed applications",
		Version:       env.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: name},
	}
	addConnection(env, root)
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run something:"},
		&cobra.Group{ID: groupSee, Title: "See how it goes:"},
		&cobra.Group{ID: groupSteer, Title: "Steer it:"},
		&cobra.Group{ID: groupFleet, Title: "Know the fleet:"},
	)
	for _, add := range []func(*Env, *cobra.Command){
		addAsking, addSeeing, addSteering, addFleet,
	} {
		add(env, root)
	}
	return root
}

// addConnection adds kubectl's flags. Those that a person needs once in a year are not in every --help; they work all the same.
func addConnection(env *Env, root *cobra.Command) {
	flags := root.PersistentFlags()
	env.Flags.AddFlags(flags)
	shown := []string{"kubeconfig", "context", "namespace", "as"}
	flags.VisitAll(func(f *pflag.Flag) { f.Hidden = !slices.Contains(shown, f.Name) })
}
