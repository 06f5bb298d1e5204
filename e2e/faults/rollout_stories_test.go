// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// rolloutStories are about what people do to a rollout that goes on, and about runs that wait for others.
var rolloutStories = []Story{
	{
		// Two of three clusters fail, so that it halts; when they are well again both have another attempt, and the third its first.
		Name:   "retry",
		Before: both(placeholders(opsv1alpha1.EngineJob), nearFirst),
		Tell: func(w *World) error {
			op := progressively(tool("op"), 2)
			return inTurn(
				func() error { w.Fail("Job", far[0]); return w.Create(OnHub, op) },
				func() error { return w.counted(func(c opsv1alpha1.Counts) bool { return c.Failed == 2 }) },
				func() error { return w.Held("op", opsv1alpha1.ReasonRolloutHalted) },
				func() error {
					w.Well()
					return w.Change(OnHub, op, func() { op.Spec.Retry = &opsv1alpha1.RetrySpec{Attempt: 1} })
				},
				func() error { return w.Reaches("op", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
				func() error { return w.told("op", map[string]int{near: 2, far[0]: 2, far[1]: 1}) },
			)
		},
	},
	{
		// What failed is tried again after the end, by another Operation, and nothing else is.
		Name:   "retry of the end",
		Before: instances(opsv1alpha1.EngineJob),
		Tell: func(w *World) error {
			again := tool("again")
			again.Spec.RetryOf = &opsv1alpha1.RetryOfSpec{Name: "op", Of: []opsv1alpha1.RetryOutcome{opsv1alpha1.RetryFailed}}
			return inTurn(
				func() error { w.Fail("Job"); return w.Create(OnHub, tool("op")) },
				func() error { return w.Reaches("op", opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed) },
				func() error { w.Well(); return w.Create(OnHub, again) },
				func() error { return w.Reaches("again", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
				func() error { return w.told("again", map[string]int{near: 1}) },
			)
		},
	},
	{
		// While the first of two clusters is at work the second leaves the Placement and the near one joins it: that has its turn, and the second never does.
		Name:   "follow",
		Before: both(instances(opsv1alpha1.EngineJob), func(w *World) error { return w.Decide("everywhere", far...) }),
		Tell: func(w *World) error {
			op := progressively(tool("op"), 1)
			op.Spec.Placement.OnChange = opsv1alpha1.ChangeFollow
			return inTurn(
				func() error { w.Hold("Job"); return w.Create(OnHub, op) },
				func() error { return w.counted(func(c opsv1alpha1.Counts) bool { return c.Running == 1 }) },
				func() error { return w.Decide("everywhere", far[0], near) },
				func() error {
					return w.counted(func(c opsv1alpha1.Counts) bool { return c.Total == 3 && c.Skipped == 1 })
				},
				func() error {
					w.Release()
					return w.Reaches("op", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonSomeSkipped)
				},
				func() error { return w.told("op", map[string]int{far[0]: 1, near: 1}) },
			)
		},
	},
	{
		// Of three for the same thing the first is at work, and the third takes the place of the second.
		Name:   "supersede",
		Before: instances(opsv1alpha1.EngineJob),
		Tell: func(w *World) error {
			nightly := func(name string) *opsv1alpha1.Operation {
				op := tool(name)
				op.Spec.ConcurrencyKey, op.Spec.ConcurrencyPolicy = "nightly", opsv1alpha1.ConcurrencySupersede
				return op
			}
			second := nightly("second")
			second.Spec.ConcurrencyPolicy = opsv1alpha1.ConcurrencyQueue
			return inTurn(
				func() error { w.Hold("Job"); return w.Create(OnHub, nightly("first")) },
				func() error { return w.Reaches("first", opsv1alpha1.PhaseRunning, "") },
				w.later,
				func() error { return w.Create(OnHub, second) },
				func() error {
					return w.Reaches("second", opsv1alpha1.PhasePending, opsv1alpha1.ReasonConflictingOperation)
				},
				w.later,
				func() error { return w.Create(OnHub, nightly("third")) },
				func() error {
					return w.Reaches("second", opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonSupersededByOperation)
				},
				func() error {
					w.Release()
					return w.Reaches("first", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
				},
				func() error { return w.Reaches("third", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
				func() error { return w.told("second", map[string]int{}) },
			)
		},
	},
	{
		// Of two Migrations the one that began first goes first on every cluster, also on those that it comes to last.
		Name:   "rivals in order",
		Before: instances(opsv1alpha1.EngineJob),
		Tell: func(w *World) error {
			return inTurn(
				func() error { w.Hold("Job"); return w.Create(OnHub, progressively(migration("op"), 1)) },
				func() error { return w.counted(func(c opsv1alpha1.Counts) bool { return c.Running == 1 }) },
				w.later,
				func() error { return w.Create(OnHub, migration("rival")) },
				func() error { return w.Held("rival", opsv1alpha1.ReasonConflictingOperation) },
				func() error {
					w.Release()
					return w.Reaches("op", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
				},
				func() error { return w.Reaches("rival", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
				func() error { return w.firstEverywhere("op", "rival") },
			)
		},
	},
	{
		// The fleet is frozen while the first cluster is at work: that goes on to its end, and the others wait until it is not frozen any more.
		Name:   "freeze in the middle",
		Before: both(instances(opsv1alpha1.EngineJob), claimed),
		Tell: func(w *World) error {
			freeze := &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: "outage"}, Spec: opsv1alpha1.FreezeSpec{Reason: "payments are down"}}
			return inTurn(
				func() error { w.Hold("Job"); return w.Create(OnHub, progressively(tool("op"), 1)) },
				func() error { return w.counted(func(c opsv1alpha1.Counts) bool { return c.Running == 1 }) },
				func() error { return w.Create(OnHub, freeze) },
				func() error { return w.arrives("Freeze", "hub.outage", "payments are down") },
				func() error { w.Release(); return w.Held("op", opsv1alpha1.ReasonFrozen) },
				func() error { return w.told("op", map[string]int{far[0]: 1}) },
				func() error { return w.Delete(OnHub, freeze) },
				func() error { return w.Reaches("op", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
				func() error { return w.Gone(OnSpoke, "Freeze", "", "hub.outage") },
			)
		},
	},
	{
		// The second group begins when a person has agreed to it, and not before.
		Name:   "approved groups",
		Before: both(placeholders(opsv1alpha1.EngineJob), nearFirst),
		Tell: func(w *World) error {
			op := progressively(tool("op"), 1)
			op.Spec.Rollout.Gate = opsv1alpha1.GatePerGroup
			return inTurn(
				func() error { return w.Create(OnHub, op) },
				func() error { return w.Held("op", opsv1alpha1.ReasonAwaitingGroupApproval) },
				func() error { return w.told("op", map[string]int{near: 1}) },
				func() error { return w.Change(OnHub, op, func() { op.Spec.Rollout.ApprovedGroups = []string{"1"} }) },
				func() error { return w.Reaches("op", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
			)
		},
	},
}

// progressively makes a rollout of so many clusters at a time of an Operation.
func progressively(op *opsv1alpha1.Operation, atATime int32) *opsv1alpha1.Operation {
	op.Spec.Rollout = &opsv1alpha1.RolloutSpec{RolloutStrategy: clusterv1alpha1.RolloutStrategy{
		Type: clusterv1alpha1.Progressive, Progressive: &clusterv1alpha1.RolloutProgressive{MaxConcurrency: intstr.FromInt32(atATime)},
	}}
	return op
}

// Well lets executors and far clusters do all that they are given from now on.
func (w *World) Well() { w.play.fail.unset() }

// Held waits until an Operation on the hub runs, and is held for a reason.
func (w *World) Held(name, reason string) error {
	return w.await(fmt.Sprintf("Operation %s to be held by %s", name, reason), func() string {
		op := w.Operation(OnHub, apps, name)
		if op == nil {
			return "it is not there"
		}
		if c := meta.FindStatusCondition(op.Status.Conditions, opsv1alpha1.ConditionBlocked); c == nil || c.Status != metav1.ConditionTrue || c.Reason != reason {
			return fmt.Sprintf("it is %s/%s: %s; %+v", op.Status.Phase, op.Status.Reason, op.Status.Message, c)
		}
		return ""
	})
}

// counted waits until the hub counts the clusters of Operation op as they should be.
func (w *World) counted(right func(opsv1alpha1.Counts) bool) error {
	return w.await("the counts of Operation op", func() string {
		op := w.Operation(OnHub, apps, "op")
		if op == nil || op.Status.Summary == nil || op.Status.Summary.Clusters == nil {
			return "it has none"
		}
		if c := *op.Status.Summary.Clusters; !right(c) {
			return fmt.Sprintf("they are %+v: %s", c, op.Status.Message)
		}
		return ""
	})
}

// told holds how often each cluster has been told of an Operation: as many ManifestWorks of it there are.
func (w *World) told(name string, want map[string]int) error {
	got := map[string]int{}
	for _, cluster := range append([]string{near}, far...) {
		if n := len(w.witness.worksOf(w.Operation(OnHub, apps, name).UID, cluster)); n > 0 {
			got[cluster] = n
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("clusters were told of Operation %s %v times, and should have been %v", name, got, want)
	}
	return nil
}

// firstEverywhere holds that every cluster was told of one Operation before another.
func (w *World) firstEverywhere(first, second string) error {
	for _, cluster := range append([]string{near}, far...) {
		var order []string
		for _, name := range []string{first, second} {
			order = append(order, w.witness.worksOf(w.Operation(OnHub, apps, name).UID, cluster)...)
		}
		if seen := w.witness.worksIn(cluster); !slices.Equal(seen, order) {
			return fmt.Errorf("cluster %s was not told of Operation %s before %s", cluster, first, second)
		}
	}
	return nil
}

// later waits until what is created has another creation time, which is in seconds.
func (w *World) later() error {
	if pause(w.ctx, 1100*time.Millisecond) {
		return w.ctx.Err()
	}
	return nil
}
