// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/ask"
	"vworkspace.io/fleet/cmd/vw/steer"
)

func newRetry(env *Env) *cobra.Command {
	var failed, unreachable, skipped bool
	s := &steering{env: env}
	seen := map[types.UID]int32{}
	s.decide = func(_ context.Context, op *opsv1alpha1.Operation) (steer.Step, error) {
		asked := int32(0)
		if r := op.Spec.Retry; r != nil {
			asked = r.Attempt
		}
		if before, again := seen[op.UID]; again && before != asked {
			return steer.Step{Says: fmt.Sprintf("was asked to try again by somebody else just now (attempt %d)", asked)}, nil
		}
		seen[op.UID] = asked
		var of []opsv1alpha1.RetryOutcome
		for _, o := range []struct {
			said bool
			is   opsv1alpha1.RetryOutcome
		}{{failed, opsv1alpha1.RetryFailed}, {skipped, opsv1alpha1.RetrySkipped}, {unreachable, opsv1alpha1.RetryUnreachable}} {
			if o.said {
				of = append(of, o.is)
			}
		}
		return steer.Retry(op, of)
	}
	cmd := newSteering(s, "retry OPERATION...", "Start clusters again that did not succeed",
		`Start clusters again in which an Operation did not succeed, with what was planned then; what succeeded is left alone. While the Operation goes on, or is halted,
it tries again itself; when it has ended, another Operation is made that does. By default all that did not succeed are meant: those that failed, were
skipped or did not answer, and after the end those that were not started.`,
		`  vw retry upgrade-x7k2p
  vw retry upgrade-x7k2p --failed --wait`)
	flags := cmd.Flags()
	flags.BoolVar(&failed, "failed", false, "Those that answered, and failed")
	flags.BoolVar(&unreachable, "unreachable", false, "Those that did not answer")
	flags.BoolVar(&skipped, "skipped", false, "Those that were left out")
	addFollowing(cmd, s)
	return cmd
}

func newRollback(env *Env) *cobra.Command {
	s := &steering{env: env, decide: simple(steer.Rollback), asks: "Put back what %s changed?"}
	cmd := newSteering(s, "rollback OPERATION...", "Put back the versions that an upgrade changed",
		`Make an Operation that puts back the versions which an upgrade that has ended found before it: on those instances that it changed, in the same order of clusters. Nobody need know
the versions; what was changed again since is left alone.`,
		"  vw rollback upgrade-x7k2p --wait")
	yes := false
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "Do not ask; nobody is asked where standard input is no terminal")
	cmd.PreRun = func(*cobra.Command, []string) {
		if yes {
			s.asks = ""
		}
	}
	addFollowing(cmd, s)
	return cmd
}

// addFollowing adds --wait to a command that creates Operations.
func addFollowing(cmd *cobra.Command, s *steering) {
	var (
		following bool
		timeout   time.Duration
	)
	cmd.Flags().BoolVar(&following, "wait", false, "Follow it until it has ended: exit status 0 when it succeeded, 2 when it did not, 3 after --wait-timeout")
	cmd.Flags().DurationVar(&timeout, "wait-timeout", time.Hour, "How long --wait waits; the Operation goes on after that")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if following && len(args) > 1 {
			return &ask.Invalid{Option: "wait", Message: "one Operation is followed at a time: name one, or leave it out"}
		}
		return namedOperations(cmd, args)
	}
	s.follows = func(ctx context.Context, op *opsv1alpha1.Operation) error {
		if !following {
			return nil
		}
		out := s.env.Out
		if s.output.Format() != "" {
			out = s.env.ErrOut // standard output is for the object alone
		}
		return waitFor(ctx, s.env, s.client, op, timeout, out)
	}
}
