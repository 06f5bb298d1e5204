// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"fmt"
	"slices"
	"testing"

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
