// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"strings"
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// TestDryRunThatAsksTheClusters goes to them as a run does, needs no approval, and adds up what they foresee.
func TestDryRunThatAsksTheClusters(t *testing.T) {
	f := newFleet(t, 3)
	f.startHub()
	f.place("all", f.clusters...)
	f.known(f.clusters[0], map[string]string{"to": "eu"}, nil)
	f.known(f.clusters[1], map[string]string{"to": "us"}, nil)
	f.known(f.clusters[2], map[string]string{"to": "us"}, nil)
	op := f.operation("backup", "all", withParameters(`{"storageLocation":"${cluster.labels['to']}"}`), func(op *opsv1alpha1.Operation) {
		op.Spec.DryRun, op.Spec.DryRunScope = true, opsv1alpha1.DryRunClusters
		op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true}
	})
	for cluster, work := range f.awaitWorks(op, 3) {
		raw := string(work.Spec.Workload.Manifests[0].Raw)
		if !strings.Contains(raw, `"dryRun":true`) || strings.Contains(raw, "dryRunScope") || strings.Contains(raw, "${") {
			t.Errorf("%s was sent %s", cluster, raw)
		}
	}
	says := func(cluster, message string, instances opsv1alpha1.Counts) {
		f.report(op, cluster, report{phase: opsv1alpha1.PhaseSucceeded, reason: opsv1alpha1.ReasonDryRun, message: message, instances: instances})
	}
	says(f.clusters[0], "dry run: would run on 2 instances: shops/a, shops/b", opsv1alpha1.Counts{Total: 2, Pending: 2})
	says(f.clusters[1], "dry run: would run on 0 of 1 instances; shops/c would wait: no", opsv1alpha1.Counts{Total: 1, Blocked: 1})
	f.report(op, f.clusters[2], report{phase: opsv1alpha1.PhaseSucceeded, reason: opsv1alpha1.ReasonNoTargets})
	got := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun)
	want := "would run on 2 instances of 1 clusters, of 3 that were asked; 1 instances would wait; " + f.clusters[1] + ": dry run: would run on 0 of 1 instances; shops/c would wait: no"
	if got.Status.Message != want {
		t.Errorf("it says %q, want %q", got.Status.Message, want)
	}
	if s := got.Status.Summary; *s.Instances != (opsv1alpha1.Counts{Total: 3, Pending: 2, Blocked: 1}) || s.Clusters.Succeeded != 3 {
		t.Errorf("%+v %+v", s.Clusters, s.Instances)
	}
	if lines, _ := f.previews(op); len(lines) > 0 {
		t.Errorf("the hub foresees what the clusters have been asked: %v", lines)
	}
	r := &OperationReconciler{Client: api, Live: api, Options: Options{}.complete()}
	kept, err := keptResults(f.ctx, r.Live, op, 0)
	f.must(err)
	if len(kept) != 3 || kept[0].State != placement.Succeeded || !strings.Contains(kept[0].Message, "shops/a, shops/b") {
		t.Errorf("%+v", kept)
	}
}
