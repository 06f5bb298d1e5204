// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
)

// ofClusters is a client of the hub that knows Open Cluster Management's kinds of clusters.
func ofClusters(t *testing.T) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clusterv1.Install(scheme), clusterv1beta1.Install(scheme)); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(fleet.Fleet.Hub.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRollout: the decision groups of a real Placement are gone through as the rollout says: the canary first, and then one cluster after the other.
func TestRollout(t *testing.T) {
	const canary = "spoke2"
	labelled := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: canary}}
	hub := ofClusters(t)
	patch := func(ctx context.Context, value string) error {
		return hub.Patch(ctx, labelled, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"canary":`+value+`}}}`)))
	}
	if err := patch(t.Context(), `"yes"`); err != nil {
		t.Fatal(err)
	}
	placement := &clusterv1beta1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: "tiers"}, Spec: clusterv1beta1.PlacementSpec{
		DecisionStrategy: clusterv1beta1.DecisionStrategy{GroupStrategy: clusterv1beta1.GroupStrategy{DecisionGroups: []clusterv1beta1.DecisionGroup{{
			GroupName:       "canary",
			ClusterSelector: clusterv1beta1.GroupClusterSelector{LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{"canary": "yes"}}},
		}}}},
	}}
	if err := hub.Create(t.Context(), placement); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = hub.Delete(context.Background(), placement)
		_ = patch(context.Background(), "null")
	})
	op := fleetOperation("rollout", func(s *opsv1alpha1.OperationSpec) {
		s.Placement.PlacementRef.Name = placement.Name
		s.Rollout = &opsv1alpha1.RolloutSpec{RolloutStrategy: clusterv1alpha1.RolloutStrategy{
			Type: clusterv1alpha1.Progressive,
			Progressive: &clusterv1alpha1.RolloutProgressive{
				MandatoryDecisionGroups: clusterv1alpha1.MandatoryDecisionGroups{MandatoryDecisionGroups: []clusterv1alpha1.MandatoryDecisionGroup{{GroupName: "canary"}}},
				MaxConcurrency:          intstr.FromInt32(1),
			},
		}}
	}, command(2*time.Second))
	create(t, op)
	eventually(t, "the canary to be at work alone", func(ctx context.Context) (bool, string) {
		if err := fleet.Hub.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return false, err.Error()
		}
		r := op.Status.Rollout
		return r != nil && r.Started == 1 && r.Group == "canary" && r.Groups == 2, fmt.Sprintf("%+v, %s", r, op.Status.Message)
	})
	ended(t, op, opsv1alpha1.PhaseSucceeded)
	sent := works(t.Context(), t, op)
	slices.SortFunc(sent, func(a, b workv1.ManifestWork) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace))
	})
	for i, want := range []string{canary, "spoke1", "spoke3"} {
		if sent[i].Namespace != want {
			t.Errorf("%s is number %d, want %s", sent[i].Namespace, i, want)
		}
		if i > 0 && sent[i].CreationTimestamp.Sub(sent[i-1].CreationTimestamp.Time) < time.Second {
			t.Errorf("%s was told while %s was at work", want, sent[i-1].Namespace)
		}
	}
	oneJobPerInstance(t, op)
}
