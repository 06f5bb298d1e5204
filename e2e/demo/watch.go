// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// lookEvery is how often the hub is asked for an Operation that is being watched.
const lookEvery = 100 * time.Millisecond

// Watch waits until op has ended on the hub and tells show whenever what a person would see has changed.
func Watch(ctx context.Context, hub client.Client, op *opsv1alpha1.Operation, show func(string)) error {
	seen := ""
	err := wait.PollUntilContextCancel(ctx, lookEvery, true, func(ctx context.Context) (bool, error) {
		if err := hub.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return false, fmt.Errorf("read Operation %s: %w", op.Name, err)
		}
		if line := Line(op); line != seen {
			seen = line
			show(line)
		}
		return op.Status.Phase.Terminal(), nil
	})
	if err != nil {
		return fmt.Errorf("wait for Operation %s (last seen: %s): %w", op.Name, Line(op), err)
	}
	return nil
}

// Line says in one line where a fleet Operation stands.
func Line(op *opsv1alpha1.Operation) string {
	s := op.Status
	phase := s.Phase
	if phase == "" {
		phase = opsv1alpha1.PhasePending
	}
	parts := []string{op.Name, string(phase)}
	if s.Rollout != nil && s.Rollout.Groups > 1 {
		parts = append(parts, groups(*s.Rollout))
	}
	if s.Summary != nil && s.Summary.Clusters != nil {
		parts = append(parts, "clusters "+counts(*s.Summary.Clusters))
	}
	if s.Summary != nil && s.Summary.Instances != nil {
		parts = append(parts, "instances "+counts(*s.Summary.Instances))
	}
	if reason := Held(op); reason != "" {
		parts = append(parts, reason+": "+s.Message)
	} else if phase == opsv1alpha1.PhaseFailed {
		parts = append(parts, s.Reason+": "+s.Message)
	}
	return strings.Join(parts, "  ")
}

// Held is the reason why an Operation is Blocked, empty when it is not. One that runs on has another reason besides, in its status.
func Held(op *opsv1alpha1.Operation) string {
	if c := meta.FindStatusCondition(op.Status.Conditions, opsv1alpha1.ConditionBlocked); c != nil && c.Status == metav1.ConditionTrue {
		return c.Reason
	}
	return ""
}

// groups that a rollout has begun, and what the one at work waits for.
func groups(r opsv1alpha1.RolloutStatus) string {
	out := fmt.Sprintf("%d groups", r.Groups)
	for _, g := range r.ByGroup {
		name := g.Name
		if _, err := strconv.Atoi(name); err == nil {
			name = "group " + name // the Placement gives it no name
		}
		out += fmt.Sprintf(", %s %s", name, counts(g.Clusters))
	}
	if r.SoakingUntil != nil {
		out += ", soaking"
	}
	return out
}

// counts leaves out what is nought, but for what has ended out of all.
func counts(c opsv1alpha1.Counts) string {
	out := fmt.Sprintf("%d/%d", c.Done(), c.Total)
	for _, n := range []struct {
		count int32
		word  string
	}{{c.Running, "running"}, {c.Blocked, "blocked"}, {c.Failed, "failed"}, {c.Cancelled, "cancelled"}, {c.Skipped, "skipped"}} {
		if n.count > 0 {
			out += fmt.Sprintf(" (%d %s)", n.count, n.word)
		}
	}
	return out
}
