// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/bed"
)

// karmadaBindingID is on a ResourceBinding and on each of its Works. A webhook of Karmada's makes it up.
const karmadaBindingID = "resourcebinding.karmada.io/permanent-id"

var (
	karmadaPolicy  = schema.GroupVersionKind{Group: "policy.karmada.io", Version: "v1alpha1", Kind: "PropagationPolicy"}
	karmadaBinding = schema.GroupVersionKind{Group: "work.karmada.io", Version: "v1alpha2", Kind: "ResourceBinding"}
	karmadaWork    = schema.GroupVersionKind{Group: "work.karmada.io", Version: "v1alpha1", Kind: "Work"}
)

// karmada is Karmada v1.16.0: its controller manager with the controllers that are on by default, its scheduler, its webhook, and its aggregated API
// server, which keeps the Clusters. A ConfigMap with the payload and a PropagationPolicy for it become a ResourceBinding; the scheduler decides for it, and
// its controller creates one Work per cluster, in one go, each of which the webhook sees. Agents (pull mode, faked here) report on the Works, and all of
// their statuses are copied into the ResourceBinding. It runs with its default client limits (40 requests a second), or with them lifted.
//
// The controller that copies every namespace to every cluster is off: the hub's namespaces are the other arms'. The descheduler, the estimators, karmada-search and the metrics adapter do not run.
type karmada struct {
	lifted bool
	peer
}

func (k *karmada) Name() string {
	if k.lifted {
		return "karmada-lifted"
	}
	return "karmada"
}

func (*karmada) Beyond() string {
	return "scheduler, overrides, a webhook call per child, every cluster's status copied into the parent"
}

func (k *karmada) Send(ctx context.Context, name string, n int) (*Run, error) {
	template := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: bed.Namespace, Name: name}, Data: map[string]string{"text": payload()}}
	policy := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"resourceSelectors": []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": name}},
		"placement": map[string]any{"clusterAffinity": map[string]any{"labelSelector": map[string]any{
			"matchLabels": map[string]any{bed.AmongFirst(n): "true"},
		}}},
	}}}
	policy.SetGroupVersionKind(karmadaPolicy)
	policy.SetNamespace(bed.Namespace)
	policy.SetName(name)
	for _, o := range []client.Object{policy, template} {
		if err := k.bed.Client.Create(ctx, o); err != nil {
			return nil, fmt.Errorf("create %s %s: %w", o.GetObjectKind().GroupVersionKind().Kind, name, err)
		}
	}
	key := client.ObjectKey{Namespace: bed.Namespace, Name: name + "-configmap"} // Karmada's name for it
	id, err := k.bindingID(ctx, key)
	if err != nil {
		return nil, err
	}
	labels := client.MatchingLabels{karmadaBindingID: id}
	binding := &unstructured.Unstructured{}
	binding.SetGroupVersionKind(karmadaBinding)
	binding.SetNamespace(key.Namespace)
	binding.SetName(key.Name)
	return &Run{
		Children: karmadaWork, Labels: labels,
		Report: func(*unstructured.Unstructured) ([]byte, error) { return karmadaDone(name) },
		Parent: karmadaBinding, Key: key, Completed: karmadaCompleted,
		Delete: func(ctx context.Context) error {
			return errors.Join(k.takeBack(ctx, labels, template, policy), k.gone(ctx, binding))
		},
	}, nil
}

// bindingID waits for the ResourceBinding, whose label is what its Works are found by.
func (k *karmada) bindingID(ctx context.Context, key client.ObjectKey) (id string, err error) {
	binding := &metav1.PartialObjectMetadata{}
	binding.SetGroupVersionKind(karmadaBinding)
	err = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		if err := k.bed.Client.Get(ctx, key, binding); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		id = binding.Labels[karmadaBindingID]
		return id != "", nil
	})
	if err != nil {
		return "", fmt.Errorf("wait for ResourceBinding %s: %w", key, err)
	}
	return id, nil
}

// karmadaDone is what karmada-agent writes when a ConfigMap is on its cluster: its execution controller the condition, and its work-status controller the
// rest. A ConfigMap has no status, and counts as healthy. They write one after the other; here it is one patch, as for every arm.
func karmadaDone(name string) ([]byte, error) {
	return json.Marshal(map[string]any{"status": map[string]any{
		"conditions": []metav1.Condition{{
			Type: "Applied", Status: metav1.ConditionTrue, Reason: "AppliedSuccessful", Message: "Manifest has been successfully applied",
			LastTransitionTime: metav1.Now(),
		}},
		"manifestStatuses": []any{map[string]any{
			"health": "Healthy",
			"identifier": map[string]any{
				"ordinal": 0, "group": "", "version": "v1", "kind": "ConfigMap", "resource": "configmaps", "namespace": bed.Namespace, "name": name,
			},
		}},
	}})
}

// karmadaCompleted counts the clusters of a ResourceBinding where the resource is applied and healthy.
func karmadaCompleted(parent *unstructured.Unstructured) int {
	done := 0
	statuses, _, _ := unstructured.NestedSlice(parent.Object, "status", "aggregatedStatus")
	for _, s := range statuses {
		if status, ok := s.(map[string]any); ok && status["applied"] == true && status["health"] == "Healthy" {
			done++
		}
	}
	return done
}
