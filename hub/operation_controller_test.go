// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"strings"
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestRunSucceedsOnEveryCluster(t *testing.T) {
	f := newFleet(t, 3)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	f.awaitWorks(op, 3)
	for _, c := range f.clusters {
		f.report(op, c, succeeded(2))
	}
	got := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	if c := got.Status.Summary.Clusters; c.Total != 3 || c.Succeeded != 3 {
		t.Errorf("clusters: %+v", c)
	}
	if i := got.Status.Summary.Instances; i.Total != 6 || i.Succeeded != 6 {
		t.Errorf("instances: %+v", i)
	}
	if got.Status.Progress != "3/3" || got.Status.ExpandedAt == nil || got.Status.Plan.Clusters != 3 {
		t.Errorf("status: %+v", got.Status)
	}
}

func TestRunFailsWithTheCauseOfTheCluster(t *testing.T) {
	f := newFleet(t, 3)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	f.awaitWorks(op, 3)
	f.report(op, f.clusters[0], succeeded(1))
	f.report(op, f.clusters[1], succeeded(1))
	f.report(op, f.clusters[2], report{phase: opsv1alpha1.PhaseFailed, reason: "EngineFailed", message: "disk full"})
	got := f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if want := "1 of 3 clusters failed: " + f.clusters[2] + ": disk full"; got.Status.Message != want {
		t.Errorf("message %q, want %q", got.Status.Message, want)
	}
	if len(got.Status.Failures) != 1 || got.Status.Failures[0].Name != f.clusters[2] || !strings.Contains(got.Status.Failures[0].Message, "disk full") {
		t.Errorf("failures: %+v", got.Status.Failures)
	}
}
