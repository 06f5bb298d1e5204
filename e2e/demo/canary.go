// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// tiers is a Placement that picks every cluster too, in two decision groups.
	tiers      = "tiers"
	tierLabel  = "tier"
	tierCanary = "canary"
	tierRest   = "rest"
	// soak of each cluster, before the next is begun.
	soak = 2 * time.Second

	stockTaking = "take-stock"
	mistyped    = "spoke2"
	mistypedAt  = 1 // of the spokes
	rightStep   = "shop"
	wrongStep   = "shpo"
)

// canaryFirst rolls an Operation out: the canary, which soaks, and then one cluster after the other. The first that fails halts it.
func canaryFirst(op *opsv1alpha1.Operation) *opsv1alpha1.Operation {
	op.Spec.Placement.PlacementRef.Name = tiers
	op.Spec.Rollout = &opsv1alpha1.RolloutSpec{RolloutStrategy: clusterv1alpha1.RolloutStrategy{
		Type: clusterv1alpha1.Progressive,
		Progressive: &clusterv1alpha1.RolloutProgressive{
			RolloutConfig:           clusterv1alpha1.RolloutConfig{MinSuccessTime: metav1.Duration{Duration: soak}},
			MandatoryDecisionGroups: clusterv1alpha1.MandatoryDecisionGroups{MandatoryDecisionGroups: []clusterv1alpha1.MandatoryDecisionGroup{{GroupName: tierCanary}}},
			MaxConcurrency:          intstr.FromInt32(1),
		},
	}}
	return op
}

// mistype makes the groups of the rollout, and breaks the runbook of one cluster.
func mistype(ctx context.Context, d *Demo, _ *opsv1alpha1.Operation) error {
	if err := placeTiers(ctx, d); err != nil {
		return err
	}
	d.screen.Say("Placement %s has two decision groups: %s (spoke1) and %s; a cluster is done when it has been well for %s", tiers, tierCanary, tierRest, soak)
	return writeStep(ctx, d, wrongStep)
}

// placeTiers labels the clusters, and waits until Open Cluster Management has put them all into their groups.
func placeTiers(ctx context.Context, d *Demo) error {
	groups := clusterv1beta1.GroupStrategy{}
	for _, tier := range []string{tierCanary, tierRest} {
		groups.DecisionGroups = append(groups.DecisionGroups, clusterv1beta1.DecisionGroup{
			GroupName:       tier,
			ClusterSelector: clusterv1beta1.GroupClusterSelector{LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{tierLabel: tier}}},
		})
	}
	for i, c := range d.Fleet.Spokes {
		tier := tierRest
		if i == 0 {
			tier = tierCanary
		}
		cluster := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: c.Name}}
		label := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, tierLabel, tier)
		if err := d.Hub.Patch(ctx, cluster, client.RawPatch(types.MergePatchType, []byte(label))); err != nil {
			return fmt.Errorf("label ManagedCluster %s: %w", c.Name, err)
		}
	}
	placement := &clusterv1beta1.Placement{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: tiers},
		Spec:       clusterv1beta1.PlacementSpec{DecisionStrategy: clusterv1beta1.DecisionStrategy{GroupStrategy: groups}},
	}
	if err := d.Hub.Create(ctx, placement); err != nil {
		return fmt.Errorf("create Placement %s: %w", tiers, err)
	}
	return d.until(ctx, func(ctx context.Context) (bool, error) {
		if err := d.Hub.Get(ctx, client.ObjectKeyFromObject(placement), placement); err != nil {
			return false, fmt.Errorf("read Placement %s: %w", tiers, err)
		}
		decided := map[string]int32{}
		for _, g := range placement.Status.DecisionGroups {
			decided[g.DecisionGroupName] += g.ClustersCount
		}
		return decided[tierCanary] == 1 && int(decided[tierRest]) == len(d.Fleet.Spokes)-1, nil
	})
}

// mendAndRetry is what a person does whose rollout has halted.
func mendAndRetry(ctx context.Context, d *Demo, op *opsv1alpha1.Operation) error {
	err := d.until(ctx, func(ctx context.Context) (bool, error) {
		if err := d.Hub.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return false, fmt.Errorf("read Operation %s: %w", op.Name, err)
		}
		return Held(op) == opsv1alpha1.ReasonRolloutHalted || op.Status.Phase.Terminal(), nil
	})
	if err != nil {
		return err
	}
	if op.Status.Phase.Terminal() {
		return fmt.Errorf("the rollout of %s has not halted: %s", op.Name, Line(op))
	}
	d.screen.Stand(Line(op))
	if err := writeStep(ctx, d, rightStep); err != nil {
		return err
	}
	const retry = `{"spec":{"retry":{"attempt":1}}}`
	d.screen.Say("... and asks for what failed to be tried again: kubectl -n %s patch op %s --type=merge -p '%s'", Namespace, op.Name, retry)
	if err := d.Hub.Patch(ctx, op, client.RawPatch(types.MergePatchType, []byte(retry))); err != nil {
		return fmt.Errorf("ask for a retry of %s: %w", op.Name, err)
	}
	return nil
}

// writeStep names the template of the only step of the runbook on the cluster where it is mistyped.
func writeStep(ctx context.Context, d *Demo, template string) error {
	c, err := connect(d.Fleet.Spokes[mistypedAt])
	if err != nil {
		return err
	}
	patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/templates/0/steps/0/0/template","value":%q}]`, template)
	if err := c.Patch(ctx, workflowTemplate(), client.RawPatch(types.JSONPatchType, []byte(patch))); err != nil {
		return fmt.Errorf("edit WorkflowTemplate %s on %s: %w", stockTaking, mistyped, err)
	}
	d.screen.Say("somebody edits WorkflowTemplate %s on %s: its step is now %q", stockTaking, mistyped, template)
	return nil
}

func workflowTemplate() *unstructured.Unstructured {
	out := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate"}}
	out.SetNamespace(Namespace)
	out.SetName(stockTaking)
	return out
}

// onlyFailedAgain counts on the clusters how often the runbook was started: once for each shop, and twice where it was mistyped.
func onlyFailedAgain(ctx context.Context, d *Demo) error {
	for i, c := range d.Fleet.Spokes {
		want := perCluster
		if i == mistypedAt {
			want *= 2
		}
		cl, err := connect(c)
		if err != nil {
			return err
		}
		list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowList"}}
		if err := cl.List(ctx, list, client.InNamespace(Namespace)); err != nil {
			return fmt.Errorf("list the Workflows on %s: %w", c.Name, err)
		}
		started := 0
		for _, w := range list.Items {
			if of, _, _ := unstructured.NestedString(w.Object, "spec", "workflowTemplateRef", "name"); of == stockTaking {
				started++
			}
		}
		if started != want {
			return fmt.Errorf("%s: %d Workflows of %s, want %d", c.Name, started, stockTaking, want)
		}
	}
	d.screen.Say("Argo's Workflows: %d on %s, where it was tried again, and %d on each other cluster", 2*perCluster, mistyped, perCluster)
	return nil
}
