// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// states of a run's clusters by who reads it, in the order of the plan, with what its ManifestWorks say where they are read too.
func (f *fleet) states(op *opsv1alpha1.Operation, works bool) string {
	f.t.Helper()
	view, err := ReadView(f.ctx, api, f.get(op))
	f.must(err)
	if works {
		for _, w := range f.works(op) {
			view.Observe(&w)
		}
	}
	said := ""
	for _, r := range view.Results() {
		said += fmt.Sprintf("%s=%s ", r.Cluster[len(r.Cluster)-1:], r.State)
	}
	return said
}

// TestView: who reads a run beside the hub sees what the hub knows; without ManifestWorks what is kept, and after they are gone the end.
func TestView(t *testing.T) {
	f := newFleet(t, 3)
	if view, err := ReadView(f.ctx, api, &opsv1alpha1.Operation{}); err != nil || len(view.Results()) > 0 || view.Plan().Len() > 0 {
		t.Errorf("of an Operation that has no plan: %+v, %v", view, err)
	}
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("read-me", "all")
	f.awaitWorks(op, 3)
	f.report(op, f.clusters[0], report{phase: opsv1alpha1.PhaseRunning})
	f.report(op, f.clusters[1], report{phase: opsv1alpha1.PhaseFailed, reason: "Broken", message: "it broke"})
	if got, want := f.states(op, true), "0=running 1=failed 2=pending "; got != want {
		t.Errorf("by its ManifestWorks: %s, want %s", got, want)
	}
	view, err := ReadView(f.ctx, api, f.get(op))
	f.must(err)
	if work := view.Work(f.clusters[2]); work != firstWork(op, f.clusters[2]) {
		t.Errorf("the ManifestWork of the last cluster is %s", work)
	}
	f.report(op, f.clusters[0], report{phase: opsv1alpha1.PhaseSucceeded})
	f.report(op, f.clusters[2], report{phase: opsv1alpha1.PhaseSucceeded})
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if got, want := f.states(op, false), "0=succeeded 1=failed 2=succeeded "; got != want {
		t.Errorf("by what is kept: %s, want %s", got, want)
	}
	view, err = ReadView(f.ctx, api, f.get(op))
	f.must(err)
	if r, planned := view.Result(f.clusters[1]); !planned || r.Reason != "Broken" || r.Message != "it broke" {
		t.Errorf("the cluster that failed: %+v, planned: %v", r, planned)
	}
	if _, planned := view.Result("elsewhere"); planned {
		t.Error("a cluster is in the plan that is not in the fleet")
	}
	f.must(api.Delete(f.ctx, &corev1.ConfigMap{ObjectMeta: planChunk(f.get(op), 0, nil).ObjectMeta}))
	if _, err := ReadView(f.ctx, api, f.get(op)); !errors.Is(err, placement.ErrPlanCorrupt) {
		t.Errorf("without its plan: %v", err)
	}
}

// TestReadPreviews: what was foreseen comes in the order of the plan; nothing of an Operation that was not a dry run.
func TestReadPreviews(t *testing.T) {
	f := newFleet(t, 3)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("dry", "all", func(op *opsv1alpha1.Operation) { op.Spec.DryRun = true })
	f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun)
	previews, err := ReadPreviews(f.ctx, api, f.get(op))
	f.must(err)
	for i, p := range previews {
		if p.Order != i+1 || p.Cluster != f.clusters[i] {
			t.Errorf("at %d is %+v", i, p)
		}
	}
	if len(previews) != 3 {
		t.Errorf("%d clusters are foreseen", len(previews))
	}
	if none, err := ReadPreviews(f.ctx, api, &opsv1alpha1.Operation{}); err != nil || none != nil {
		t.Errorf("of none: %v, %v", none, err)
	}
}
