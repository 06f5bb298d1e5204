// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"
	"encoding/json"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/bed"
)

// azurePlacementOf names the ClusterResourcePlacement that a Work is of, in a label.
const azurePlacementOf = "kubernetes-fleet.io/parent-CRP"

var (
	azurePlacement = schema.GroupVersionKind{Group: "placement.kubernetes-fleet.io", Version: "v1beta1", Kind: "ClusterResourcePlacement"}
	azureWork      = schema.GroupVersionKind{Group: "placement.kubernetes-fleet.io", Version: "v1beta1", Kind: "Work"}
)

// azure is Azure Fleet (KubeFleet) v0.14.0: its hub agent with the controllers that are on by default, without webhooks. A ClusterResourcePlacement
// selects a resource and clusters; the resource is copied into a snapshot, the scheduler makes a binding per cluster, the rollout controller releases the
// bindings, and for each the work generator makes a Work. Agents (faked here) report on the Works; their statuses are copied into the bindings, and from
// there, with six conditions for each cluster, into the placement. It places cluster-scoped resources, so that the payload is in a ClusterRole.
//
// It runs with its default client limits (250 requests a second, 1000 in a burst) and the number of workers for its default fleet of 100, or with the
// limits lifted and the workers for as many clusters as there are.
type azure struct {
	lifted bool
	peer
}

func (a *azure) Name() string {
	if a.lifted {
		return "azure-lifted"
	}
	return "azure"
}

func (*azure) Beyond() string {
	return "scheduler, snapshots, overrides, a binding per child, rollout, every cluster's status copied into the parent"
}

func (a *azure) Send(ctx context.Context, name string, n int) (*Run, error) {
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"text": payload()}}}
	placement := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"resourceSelectors": []any{map[string]any{"group": rbacv1.GroupName, "version": "v1", "kind": "ClusterRole", "name": name}},
		"policy": map[string]any{
			"placementType": "PickAll",
			"affinity": map[string]any{"clusterAffinity": map[string]any{
				"requiredDuringSchedulingIgnoredDuringExecution": map[string]any{"clusterSelectorTerms": []any{
					map[string]any{"labelSelector": map[string]any{"matchLabels": map[string]any{bed.AmongFirst(n): "true"}}},
				}},
			}},
		},
	}}}
	placement.SetGroupVersionKind(azurePlacement)
	placement.SetName(name)
	for _, o := range []client.Object{role, placement} {
		if err := a.bed.Client.Create(ctx, o); err != nil {
			return nil, fmt.Errorf("create %T %s: %w", o, name, err)
		}
	}
	return &Run{
		Children: azureWork, Labels: client.MatchingLabels{azurePlacementOf: name},
		Report: func(child *unstructured.Unstructured) ([]byte, error) { return azureDone(name, child.GetGeneration()) },
		Parent: azurePlacement, Key: client.ObjectKey{Name: name}, Completed: azureCompleted,
		Delete: func(ctx context.Context) error { return a.delete(ctx, placement, role) },
	}, nil
}

// azureDone is what the member agent's work applier writes when a ClusterRole is on its cluster.
func azureDone(name string, generation int64) ([]byte, error) {
	now := metav1.Now()
	condition := func(kind, reason, message string, generation int64) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message, LastTransitionTime: now, ObservedGeneration: generation,
		}
	}
	return json.Marshal(map[string]any{"status": map[string]any{
		"conditions": []metav1.Condition{
			condition("Applied", "AllManifestsApplied", "All the specified manifests have been applied", generation),
			condition("Available", "AllManifestsAvailable", "All of the applied manifests are available", generation),
		},
		"manifestConditions": []any{map[string]any{
			"identifier": map[string]any{
				"ordinal": 0, "group": rbacv1.GroupName, "version": "v1", "kind": "ClusterRole", "resource": "clusterroles", "name": name,
			},
			"conditions": []metav1.Condition{
				condition("Applied", "Applied", "Manifest has been applied successfully", 0),
				condition("Available", "Available", "Manifest is available", 0),
			},
		}},
	}})
}

// azureCompleted counts the clusters of a ClusterResourcePlacement where the resources are available.
func azureCompleted(parent *unstructured.Unstructured) int {
	done := 0
	statuses, _, _ := unstructured.NestedSlice(parent.Object, "status", "placementStatuses")
	for _, s := range statuses {
		if status, ok := s.(map[string]any); ok && isTrue(status["conditions"], "Available") {
			done++
		}
	}
	return done
}

// isTrue tells whether a list of conditions holds a true one of a type.
func isTrue(conditions any, kind string) bool {
	list, _ := conditions.([]any)
	for _, c := range list {
		if condition, ok := c.(map[string]any); ok && condition["type"] == kind {
			return condition["status"] == string(metav1.ConditionTrue)
		}
	}
	return false
}
