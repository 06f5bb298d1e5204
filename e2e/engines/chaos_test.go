// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

var (
	chaosRounds = flag.Int("chaos.rounds", 1, "how often each executor is killed in TestKilledAtOddMoments")
	chaosSeed   = flag.Uint64("chaos.seed", uint64(time.Now().UnixNano()), "of the moments; it is logged")
)

// TestKilledAtOddMoments: an executor is killed at whatever moment of a run, sometimes with the agent, and comes back. The run ends, once, as the executor
// has it end.
func TestKilledAtOddMoments(t *testing.T) {
	t.Logf("-chaos.seed=%d", *chaosSeed)
	random := rand.New(rand.NewPCG(*chaosSeed, 0))
	moment := func(most time.Duration) {
		select {
		case <-t.Context().Done():
		case <-time.After(time.Duration(random.Int64N(int64(most)))):
		}
	}
	for range *chaosRounds {
		everyRig(t, func(t *testing.T, r rig) {
			op := create(t, r.succeeds(t))
			moment(1500 * time.Millisecond)
			stop(t, controller(t, r))
			if both := random.IntN(2) == 0; both {
				stop(t, agent)
				moment(500 * time.Millisecond)
				restart(t, agent)
			}
			moment(time.Second)
			restart(t, controller(t, r))
			eventually(t, "Operation "+op.Name+" to end", func(ctx context.Context) (bool, string) {
				err := k8s.Get(ctx, keyOf(op), op)
				return err == nil && op.Status.Phase.Terminal(), fmt.Sprintf("%s/%s: %s: %v", op.Status.Phase, op.Status.Reason, op.Status.Message, err)
			})
			if phase := op.Status.Phase; phase != opsv1alpha1.PhaseSucceeded && phase != r.afterRestart {
				t.Errorf("it ended as %s/%s: %s", phase, op.Status.Reason, op.Status.Message)
			}
			onlyOnce(t, op)
			t.Logf("%s/%s: %s", op.Status.Phase, op.Status.Reason, op.Status.Message)
		})
	}
}
