// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// rollbackStory: an Upgrade of one cluster after the other fails on the second. The third never begins, and what the first has got is put back, once.
var rollbackStory = Story{
	Name:   "rollback",
	Before: both(released(opsv1alpha1.EngineHelm, "a", "b"), nearFirst),
	Tell: func(w *World) error {
		op := Fleetwide("op", "everywhere", opsv1alpha1.TypeUpgrade, map[string]any{"targetVersion": "1.1.0"})
		op.Spec.Rollout = &opsv1alpha1.RolloutSpec{
			RolloutStrategy: clusterv1alpha1.RolloutStrategy{
				Type: clusterv1alpha1.Progressive, Progressive: &clusterv1alpha1.RolloutProgressive{MaxConcurrency: intstr.FromInt32(1)},
			},
			OnBreach: opsv1alpha1.BreachRollback,
		}
		return inTurn(
			w.Installed, // before anything is upgraded
			func() error { w.Fail(far[0]); return w.Create(OnHub, op) },
			func() error { return w.Reaches("op", opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonRolledBack) },
			func() error {
				return w.Reaches(w.Operation(OnHub, apps, "op").Status.RolledBackBy, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
			},
			func() error {
				return w.await("the instances to be what they were", func() string {
					for _, name := range []string{"a", "b"} {
						if o := w.mirror.get(OnSpoke, "ApplicationInstance", apps, name); text(o, "spec", "chart", "version") != "1.0.0" || text(o, "status", "ready") != "True" {
							return name + " is not"
						}
					}
					return ""
				})
			},
			w.Installed,
		)
	},
}

// nearFirst is a Placement that has decided for all clusters, the near one in a group before the others.
func nearFirst(w *World) error {
	if err := w.Placement("everywhere", near); err != nil {
		return err
	}
	rest := &clusterv1beta1.PlacementDecision{ObjectMeta: metav1.ObjectMeta{
		Namespace: apps, Name: "everywhere-decision-2",
		Labels: map[string]string{clusterv1beta1.PlacementLabel: "everywhere", clusterv1beta1.DecisionGroupIndexLabel: "1"},
	}}
	p := &clusterv1beta1.Placement{}
	if err := errors.Join(w.Create(OnHub, rest), w.Hub.Get(w.ctx, client.ObjectKey{Namespace: apps, Name: "everywhere"}, p)); err != nil {
		return err
	}
	for _, c := range far {
		rest.Status.Decisions = append(rest.Status.Decisions, clusterv1beta1.ClusterDecision{ClusterName: c})
		p.Status.NumberOfSelectedClusters++
	}
	return errors.Join(w.Hub.Status().Update(w.ctx, rest), w.Hub.Status().Update(w.ctx, p))
}
