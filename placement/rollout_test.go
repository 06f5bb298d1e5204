// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestStrategies(t *testing.T) {
	a, b, c := "cluster-00000", "cluster-00001", "cluster-00002"
	for _, tc := range []struct {
		name   string
		spec   opsv1alpha1.OperationSpec
		limit  int
		known  []ClusterResult
		expect Decision
	}{
		{
			name:   "everything at once",
			expect: Decision{Start: []string{a, b, c}, Phase: opsv1alpha1.PhaseRunning, Reason: opsv1alpha1.ReasonRollingOut, Message: "0 of 3 clusters ended, 3 pending"},
		},
		{
			name: "in batches", limit: 2, known: []ClusterResult{{Cluster: a, State: Pending}},
			expect: Decision{Start: []string{b, c}, More: true, Phase: opsv1alpha1.PhaseRunning, Reason: opsv1alpha1.ReasonRollingOut, Message: "0 of 3 clusters ended, 3 pending"},
		},
		{
			name: "waiting for people", known: []ClusterResult{
				{Cluster: a, State: Running, Waiting: true, Message: "resumed since"}, {Cluster: a, State: Running},
				{Cluster: c, State: Running, Waiting: true, Message: "1 blocked: WorkflowSuspended: resume it"},
				{Cluster: b, State: Running, Waiting: true, Message: "1 blocked: TargetNotReady: mend it"},
			},
			expect: Decision{Phase: opsv1alpha1.PhaseRunning, Reason: opsv1alpha1.ReasonRollingOut,
				Message: "0 of 3 clusters ended, 3 running; 2 waiting: " + b + ": 1 blocked: TargetNotReady: mend it"},
		},
		{
			name: "all at work", limit: 2, known: []ClusterResult{{Cluster: a, State: Running}, {Cluster: b, State: Blocked}, {Cluster: c, State: Failed}},
			expect: Decision{Phase: opsv1alpha1.PhaseRunning, Reason: opsv1alpha1.ReasonRollingOut, Message: "1 of 3 clusters ended, 1 running, 1 blocked, 1 failed; 1 waiting: " + b},
		},
		{
			name: "over", known: []ClusterResult{{Cluster: a, State: Succeeded}, {Cluster: b, State: Succeeded}, {Cluster: c, State: Succeeded}},
			expect: Decision{Done: true, Phase: opsv1alpha1.PhaseSucceeded, Reason: opsv1alpha1.ReasonAllSucceeded, Message: "3 of 3 clusters succeeded"},
		},
		{
			name: "cancelled: what was not started never is", spec: opsv1alpha1.OperationSpec{Cancel: true}, known: []ClusterResult{{Cluster: b, State: Running}},
			expect: Decision{Skip: []string{a, c}, Phase: opsv1alpha1.PhaseRunning, Reason: opsv1alpha1.ReasonRollingOut, Message: "cancelling: 0 of 3 clusters ended, 1 running, 2 pending"},
		},
		{
			name: "cancelled, and all have ended", spec: opsv1alpha1.OperationSpec{Cancel: true},
			known:  []ClusterResult{{Cluster: a, State: Cancelled}, {Cluster: b, State: Succeeded}, {Cluster: c, State: Cancelled}},
			expect: Decision{Done: true, Phase: opsv1alpha1.PhaseCancelled, Reason: opsv1alpha1.ReasonUserCancelled, Message: "cancelled on 2 of 3 clusters, 1 had succeeded"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plan := planOf(3)
			tally := NewTally(plan)
			for _, r := range tc.known {
				tally.Apply(r)
			}
			if diff := cmp.Diff(tc.expect, For(tc.spec).Decide(plan, tally, Gates{}, time.Time{}, tc.limit)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func BenchmarkTallyApply(b *testing.B) {
	p := planOf(10_000)
	tally, clusters := NewTally(p), p.Clusters()
	states := []State{Pending, Running}
	for i := 0; b.Loop(); i++ {
		tally.Apply(ClusterResult{Cluster: clusters[i%len(clusters)], State: states[i/len(clusters)%2], Message: "m"})
	}
}

// BenchmarkDecide is what a decision takes on a fleet of 10,000 clusters in a hundred groups, half of which are done.
func BenchmarkDecide(b *testing.B) {
	sizes := make([]int, 100)
	for i := range sizes {
		sizes[i] = 100
	}
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, kind := range []clusterv1alpha1.RolloutType{clusterv1alpha1.All, clusterv1alpha1.Progressive, clusterv1alpha1.ProgressivePerGroup} {
		b.Run(string(kind), func(b *testing.B) {
			plan := planOf(sizes...)
			tally := NewTally(plan)
			for _, c := range plan.Clusters()[:5000] {
				tally.Apply(ClusterResult{Cluster: c, State: Succeeded, EndedAt: now})
			}
			spec := opsv1alpha1.OperationSpec{Rollout: &opsv1alpha1.RolloutSpec{RolloutStrategy: clusterv1alpha1.RolloutStrategy{Type: kind}}}
			if kind == clusterv1alpha1.Progressive {
				spec.Rollout.Progressive = &clusterv1alpha1.RolloutProgressive{MaxConcurrency: intstr.FromString("10%"), RolloutConfig: clusterv1alpha1.RolloutConfig{MinSuccessTime: metav1.Duration{Duration: time.Minute}}}
			}
			for b.Loop() {
				if d := For(spec).Decide(plan, tally, Gates{}, now.Add(time.Second), 256); d.Done {
					b.Fatal(d)
				}
			}
		})
	}
}
