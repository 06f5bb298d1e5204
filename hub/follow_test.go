// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

func follows(op *opsv1alpha1.Operation) { op.Spec.Placement.OnChange = opsv1alpha1.ChangeFollow }

// TestFollow: a cluster that joins the Placement is added to the end, one that leaves before it was begun is left out, one that was begun goes on; a hub that
// takes over knows the plan as it is now; and what one that was broken off had left behind is not acted on.
func TestFollow(t *testing.T) {
	f := newFleet(t, 4)
	stop := f.startHub()
	a, b, c, d := f.clusters[0], f.clusters[1], f.clusters[2], f.clusters[3]
	f.place("some", a, b)
	op := f.operation("upgrade", "some", oneAtATime, follows, func(op *opsv1alpha1.Operation) { op.Spec.Rollout.Progressive.MinSuccessTime.Duration = 0 })
	frozen := f.operation("frozen", "some", oneAtATime)
	f.awaitWorks(op, 1)
	f.awaitWorks(frozen, 1)
	forged, _, err := placement.EncodeAddition([]placement.Group{{Clusters: []string{d}}})
	f.must(err)
	f.must(api.Create(f.ctx, planChunk(f.get(op), 1, forged)))
	f.decide(f.placementNamed("some"), c) // a was begun, b was not
	f.eventually("c to be planned, and b to be left out", func() (string, error) {
		s := f.get(op).Status
		return differs(fmt.Sprint(s.Plan.Clusters, len(s.Plan.Added), s.Summary.Clusters.Skipped), "3 1 1"), nil
	})
	stop()
	f.startHub()
	f.report(op, a, succeeded(1))
	f.awaitWorks(op, 2)
	if got := f.told(op); !slices.Contains(got, c) {
		t.Errorf("started: %v", got)
	}
	f.report(op, c, succeeded(1))
	end := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonSomeSkipped)
	if results := f.keptResults(op); len(results) != 3 || results[1].Reason != opsv1alpha1.ReasonLeftPlacement || end.Status.Rollout.Groups != 2 {
		t.Errorf("kept: %+v; %+v", results, end.Status.Rollout)
	}
	if s := f.get(frozen).Status; s.Plan.Clusters != 2 || s.Summary.Clusters.Skipped != 0 {
		t.Errorf("a plan that is frozen has changed: %+v", s.Plan)
	}
}

// TestFollowIsNotOfThePast: a hub whose cache shows a Placement as it was before a cluster joined does not leave that cluster out.
func TestFollowIsNotOfThePast(t *testing.T) {
	f := newFleet(t, 2)
	var past atomic.Pointer[clusterv1beta1.PlacementDecisionList]
	f.funcs = interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		if decisions, asked := list.(*clusterv1beta1.PlacementDecisionList); asked && past.Load() != nil {
			past.Load().DeepCopyInto(decisions)
			return nil
		}
		return c.List(ctx, list, opts...)
	}}
	f.startHub()
	a, b := f.clusters[0], f.clusters[1]
	f.place("some", a)
	op := f.operation("upgrade", "some", oneAtATime, follows, func(op *opsv1alpha1.Operation) { op.Spec.Rollout.Progressive.MinSuccessTime.Duration = 0 })
	f.awaitWorks(op, 1)
	before := &clusterv1beta1.PlacementDecisionList{}
	f.must(api.List(f.ctx, before, client.InNamespace(f.ns)))
	f.decide(f.placementNamed("some"), a, b)
	f.eventually("b to be planned", func() (string, error) { return differs(fmt.Sprint(f.get(op).Status.Plan.Clusters), "2"), nil })
	before.Items[0].Status.Decisions = append(before.Items[0].Status.Decisions, clusterv1beta1.ClusterDecision{ClusterName: "one-that-left"}) // as many as there are now
	past.Store(before)
	f.report(op, a, running())
	f.saying(op, "1 running")
	f.report(op, a, succeeded(1))
	f.awaitWorks(op, 2)
	f.report(op, b, succeeded(1))
	if end := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded); end.Status.Plan.Clusters != 2 {
		t.Errorf("planned: %+v", end.Status.Plan)
	}
}

// TestFollowComesUpInThePast: a hub that comes up and sees an Operation as it was before a cluster was added knows what that has come to, and does not tell it again.
func TestFollowComesUpInThePast(t *testing.T) {
	f := newFleet(t, 2)
	var past atomic.Pointer[opsv1alpha1.Operation]
	var looked atomic.Int32
	f.funcs = interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		if op, asked := o.(*opsv1alpha1.Operation); asked && past.Load() != nil {
			past.Load().DeepCopyInto(op)
			looked.Add(1)
			return nil
		}
		return c.Get(ctx, key, o, opts...)
	}}
	stop := f.startHub()
	a, b := f.clusters[0], f.clusters[1]
	f.place("some", a)
	op := f.operation("upgrade", "some", oneAtATime, follows, func(op *opsv1alpha1.Operation) {
		op.Spec.Rollout.Progressive.MaxConcurrency = intstr.FromInt32(2)
	})
	f.awaitWorks(op, 1)
	f.report(op, a, running())
	before := f.saying(op, "1 running")
	f.decide(f.placementNamed("some"), a, b)
	f.awaitWorks(op, 2)
	deleteWork := func() (string, error) {
		work := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: b, Name: firstWork(op, b).Name}}
		return differs(fmt.Sprint(len(f.attempts(op, b))), "0"), client.IgnoreNotFound(api.Delete(f.ctx, work))
	}
	f.eventually("b to have no ManifestWork", deleteWork)
	f.saying(op, "1 failed")
	f.eventually("it to be kept what b came to", func() (string, error) { return differs(fmt.Sprint(len(f.keptResults(op))), "2"), nil })
	stop()
	past.Store(before)
	f.startHub()
	f.eventually("the hub to look at it", func() (string, error) { return differs(fmt.Sprint(looked.Load() > 0), "true"), nil })
	past.Store(nil)
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.Rollout.Progressive.MinSuccessTime.Duration = 0 })
	f.report(op, a, succeeded(1))
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if told := f.attempts(op, b); len(told) != 0 {
		t.Errorf("told again: %v", told)
	}
}

// TestWhatGoesByAnotherRunDoesNotFollow: its clusters are those of that run, also when somebody has it follow its Placement later.
func TestWhatGoesByAnotherRunDoesNotFollow(t *testing.T) {
	f := newFleet(t, 3)
	f.startHub()
	a, b, c := f.clusters[0], f.clusters[1], f.clusters[2]
	f.place("some", a, b)
	first := f.operation("first", "some")
	f.awaitWorks(first, 2)
	f.report(first, a, succeeded(1))
	f.report(first, b, failed("disk full"))
	f.await(first, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	again := f.operation("again", "some", func(op *opsv1alpha1.Operation) { op.Spec.RetryOf = &opsv1alpha1.RetryOfSpec{Name: "first"} })
	f.awaitWorks(again, 1)
	f.editOp(again, follows)
	f.decide(f.placementNamed("some"), a, b, c)
	f.report(again, b, succeeded(1))
	end := f.await(again, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	if got := f.told(again); len(got) != 1 || end.Status.Plan.Clusters != 1 {
		t.Errorf("told: %v, planned: %+v", got, end.Status.Plan)
	}
}
