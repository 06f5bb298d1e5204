// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// lookedAt is how long a controller may take to say the first word of an Operation: it takes a moment.
	lookedAt = 30 * time.Second
	// waitsLong is how long an Operation may wait for somebody, as the alert VWorkspaceOperationsBlocked has it.
	waitsLong = 10 * time.Minute
	// failsLong is how long an agent may fail to get on with a run.
	failsLong = 5 * time.Minute
)

// checkOperations that have not ended.
func checkOperations(ctx context.Context, s *Site, f *Findings) error {
	operations := &opsv1alpha1.OperationList{}
	if err := s.Client.List(ctx, operations); err != nil {
		return err
	}
	judgeOperations(f, operations.Items, s.Now)
	return nil
}

// stuck are Operations by what is wrong with them.
type stuck struct{ unseen, waiting, failing, halted, overdue []string }

func judgeOperations(f *Findings, operations []opsv1alpha1.Operation, now time.Time) {
	var s stuck
	open := 0
	for i := range operations {
		if op := &operations[i]; !op.Status.Phase.Terminal() {
			open++
			s.add(op, now)
		}
	}
	if len(s.unseen) > 0 {
		f.fail("is the hub (on a cluster: the agent) running? See the checks hub and agent", "nobody has taken up: %s", several(s.unseen))
	}
	if len(s.failing) > 0 {
		f.fail("vw describe op NAME; kubectl -n vworkspace-agent logs deploy/vworkspace-agent", "the agent gets no further with: %s", several(s.failing))
	}
	if len(s.halted) > 0 {
		f.warn("vw describe op NAME, then vw retry --failed, vw rollback or vw cancel", "rollouts that are halted: %s", several(s.halted))
	}
	if len(s.waiting) > 0 {
		f.warn("vw describe op NAME; docs/how-to/debug-a-spoke.md#why-does-my-operation-not-run", "blocked for long: %s", several(s.waiting))
	}
	if len(s.overdue) > 0 {
		f.warn("vw describe op NAME", "run for longer than their spec.timeout: %s", several(s.overdue))
	}
	if !f.bad() {
		f.ok("%d have not ended, and none of them is stuck", open)
	}
}

func (s *stuck) add(op *opsv1alpha1.Operation, now time.Time) {
	name := op.Namespace + "/" + op.Name
	switch age := now.Sub(op.CreationTimestamp.Time); {
	case op.Status.Phase == "" && age > lookedAt:
		s.unseen = append(s.unseen, fmt.Sprintf("%s (%s)", name, age.Round(time.Second)))
	case op.Status.FailingSince != nil && now.Sub(op.Status.FailingSince.Time) > failsLong:
		s.failing = append(s.failing, fmt.Sprintf("%s (%s)", name, op.Status.Message))
	case op.Status.Reason == opsv1alpha1.ReasonRolloutHalted:
		s.halted = append(s.halted, name)
	case op.Status.Blocked && blockedFor(op, now) > waitsLong && !expected[op.Status.Reason]:
		s.waiting = append(s.waiting, fmt.Sprintf("%s (%s for %s)", name, op.Status.Reason, blockedFor(op, now).Round(time.Minute)))
	case late(op, now):
		s.overdue = append(s.overdue, name)
	}
}

// expected are reasons for which Operations wait as somebody has asked, however long.
var expected = map[string]bool{
	opsv1alpha1.ReasonOutsideMaintenanceWindow: true, opsv1alpha1.ReasonFrozen: true, opsv1alpha1.ReasonSuspended: true,
	opsv1alpha1.ReasonConflictingOperation: true, opsv1alpha1.ReasonAwaitingTurn: true,
}

// blockedFor how long; 0 when it is not known.
func blockedFor(op *opsv1alpha1.Operation, now time.Time) time.Duration {
	c := meta.FindStatusCondition(op.Status.Conditions, opsv1alpha1.ConditionBlocked)
	if c == nil {
		return 0
	}
	return now.Sub(c.LastTransitionTime.Time)
}

// late tells whether a run on one instance goes on beyond its timeout, by a minute: an expanding one bounds each of its instances.
func late(op *opsv1alpha1.Operation, now time.Time) bool {
	return op.Spec.TargetRef != nil && op.Spec.Timeout != nil && op.Status.StartedAt != nil &&
		now.Sub(op.Status.StartedAt.Time) > op.Spec.Timeout.Duration+time.Minute
}
