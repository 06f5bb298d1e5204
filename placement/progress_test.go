// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestProgress: how groups went, and when the end is to be expected: nothing is foreseen before a cluster has succeeded; then what is left, by how long one takes and
// how many go at once; nothing while a person is waited for.
func TestProgress(t *testing.T) {
	plan := planOf(1, 4)
	spec := opsv1alpha1.OperationSpec{Rollout: &opsv1alpha1.RolloutSpec{RolloutStrategy: clusterv1alpha1.RolloutStrategy{
		Type: clusterv1alpha1.Progressive, Progressive: &clusterv1alpha1.RolloutProgressive{
			RolloutConfig:           clusterv1alpha1.RolloutConfig{MinSuccessTime: metav1.Duration{Duration: 5 * time.Minute}},
			MandatoryDecisionGroups: clusterv1alpha1.MandatoryDecisionGroups{MandatoryDecisionGroups: []clusterv1alpha1.MandatoryDecisionGroup{{GroupName: "g0"}}},
			MaxConcurrency:          intstr.FromInt32(2),
		},
	}}}
	tally := NewTally(plan)
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	names := plan.Clusters()
	progress := func() *opsv1alpha1.RolloutStatus {
		return Progress(spec, plan, tally, For(spec).Decide(plan, tally, Gates{}, now, 0), now)
	}
	begin := func(c string) {
		tally.Apply(ClusterResult{Cluster: c, State: Running})
		tally.Told(c, now)
	}
	end := func(c string, s State) { tally.Apply(ClusterResult{Cluster: c, State: s, EndedAt: now}) }

	begin(names[0])
	if s := progress(); s.ExpectedEnd != nil || len(s.ByGroup) != 1 || s.ByGroup[0].StartedAt == nil || s.ByGroup[0].FinishedAt != nil || s.Group != "g0" {
		t.Errorf("at first: %+v", s)
	}
	now = now.Add(10 * time.Minute)
	end(names[0], Succeeded)
	// 5 minutes of soak, then twice two clusters of 10 minutes and 5 of soak.
	if s := progress(); s.ExpectedEnd == nil || s.ExpectedEnd.Sub(now) != 36*time.Minute || s.ByGroup[0].FinishedAt == nil || s.ByGroup[0].Clusters.Succeeded != 1 {
		t.Errorf("in the soak: %+v", s)
	}
	now = now.Add(5 * time.Minute)
	begin(names[1])
	begin(names[2])
	now = now.Add(4 * time.Minute)
	if s := progress(); s.ExpectedEnd == nil || s.ExpectedEnd.Sub(now) != 27*time.Minute || len(s.ByGroup) != 2 || s.Group != "g1" {
		t.Errorf("with two at work: %+v", s)
	}
	end(names[1], Failed)
	if s := progress(); s.ExpectedEnd != nil {
		t.Errorf("while it is halted: %+v", s)
	}
}
