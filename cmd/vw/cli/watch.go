// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/live"
)

const watchLong = `Follow an Operation until it has ended.

At a terminal it is a live view: the groups of the rollout, a cell for each cluster (or for each instance, on a cluster alone), how fast it goes and when it will be over,
and what failed with its cause, the newest first. Arrows move, enter opens a cluster, f filters, / finds, p pauses, c cancels, ? tells all keys, q leaves: the run goes on.

Piped, with TERM=dumb, or with --plain, it prints a line for each change instead. NO_COLOR takes the colours out; the state of a cell is in its glyph too.

It needs the right to get and watch Operations, to get ConfigMaps in the namespace, and, to see clusters as they go, to list and watch ManifestWorks in all namespaces.
Where one of them is missing it shows what it can, and says what is missing.

Exit status 0: it Succeeded, or you left. 2: it Failed or was Cancelled. 3: it has not ended within --timeout, and goes on. 1: it could not be followed.`

type watchOptions struct {
	plain, stay bool
	timeout     time.Duration
}

func newWatch(env *Env) *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{
		Use:     "watch NAME",
		GroupID: groupSee,
		Short:   "Follow an Operation live: groups, clusters, failures, expected end",
		Long:    watchLong,
		Example: "  vw watch nightly\n  vw watch nightly --plain --timeout 1h",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.timeout < 0 {
				return fmt.Errorf("--timeout: %s is negative; leave it out to wait for as long as it takes", o.timeout)
			}
			return watchOperation(cmd.Context(), env, cmd.Root().DisplayName(), args[0], o)
		},
	}
	cmd.Flags().BoolVar(&o.plain, "plain", false, "Print a line for each change, as when piped")
	cmd.Flags().BoolVar(&o.stay, "stay", false, "Keep the live view at the end, until q")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "Leave after so long with exit status 3; the run goes on (default: never)")
	return cmd
}

// errTimeout tells that --timeout has gone by.
var errTimeout = errors.New("timeout")

func watchOperation(ctx context.Context, env *Env, program, name string, o watchOptions) error {
	klog.SetLogger(logr.Discard()) // the client library's own log would be written across the screen
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, errTimeout)
		defer cancel()
	}
	follower, err := startFollower(ctx, env, name)
	if err != nil {
		return err
	}
	defer follower.Stop()
	options := live.Options{Program: program, Now: env.Now, Stay: o.stay}
	var last follow.Snapshot
	if o.plain || !env.Terminal() || os.Getenv("TERM") == "dumb" {
		last, err = live.Plain(ctx, env.Out, follower, options)
	} else {
		last, err = live.Show(ctx, env.In, env.Out, follower, options)
	}
	if err != nil && ctx.Err() == nil {
		return err
	}
	if err := live.Summary(env.Out, &last, options); err != nil {
		return err
	}
	return watched(ctx, &last, o.timeout)
}

func startFollower(ctx context.Context, env *Env, name string) (*follow.Follower, error) {
	namespace, err := env.Namespace()
	if err != nil {
		return nil, err
	}
	config, err := env.Config()
	if err != nil {
		return nil, err
	}
	client, err := NewClient(config)
	if err != nil {
		return nil, err
	}
	follower, err := follow.New(client, config, types.NamespacedName{Namespace: namespace, Name: name}, env.Now)
	if err != nil {
		return nil, err
	}
	err = follower.Start(ctx)
	if apierrors.IsNotFound(err) {
		return nil, noOperation(ctx, client, namespace, name)
	}
	return follower, err
}

// watched is how vw ends by what was seen last.
func watched(ctx context.Context, s *follow.Snapshot, timeout time.Duration) error {
	op := s.Operation
	switch {
	case op.Status.Phase == opsv1alpha1.PhaseFailed, op.Status.Phase == opsv1alpha1.PhaseCancelled:
		return exitf(ExitNo, "Operation %s/%s %s: %s", op.Namespace, op.Name, op.Status.Phase, op.Status.Reason)
	case s.Ended():
		return nil
	case s.Gone:
		return fmt.Errorf("the Operation %s/%s was deleted before it had ended", op.Namespace, op.Name)
	case errors.Is(context.Cause(ctx), errTimeout):
		return exitf(ExitTimeout, "Operation %s/%s has not ended within %s (--timeout): it goes on", op.Namespace, op.Name, timeout)
	default:
		return ctx.Err()
	}
}
