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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/bed"
)

// Labels by which Rancher Fleet names the Bundle of a BundleDeployment.
const (
	rancherBundleName      = "fleet.cattle.io/bundle-name"
	rancherBundleNamespace = "fleet.cattle.io/bundle-namespace"
)

var (
	rancherBundle     = schema.GroupVersionKind{Group: "fleet.cattle.io", Version: "v1alpha1", Kind: "Bundle"}
	rancherDeployment = schema.GroupVersionKind{Group: "fleet.cattle.io", Version: "v1alpha1", Kind: "BundleDeployment"}
)

// rancher is Rancher Fleet v0.15.0: its fleet-controller with 50 workers for each kind, as its chart has it. A Bundle holds a resource and selects
// clusters; the resource goes once into a Content, and each cluster gets a BundleDeployment that names it. Agents (faked here) read both, install them as
// a Helm release and report on the BundleDeployment; the controller puts what people shall read of that into the BundleDeployment's status, and counts
// into the Cluster's and the Bundle's.
//
// Nothing limits its client, so that there is no lifted arm. By default it would stop after the first quarter of 200 clusters or more until they are
// ready: autoPartitionSize 0 switches that off. At most 50 new BundleDeployments are made in one pass over a Bundle. The gitjob controller, the Helm
// controller and the agent management do not run.
type rancher struct{ peer }

func (*rancher) Name() string { return "rancher" }

func (*rancher) Beyond() string {
	return "content shared by all children, options merged per cluster, a status written on every child and cluster; the parent counts"
}

func (r *rancher) Send(ctx context.Context, name string, n int) (*Run, error) {
	content, err := json.Marshal(corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: bed.Namespace, Name: name}, Data: map[string]string{"text": payload()},
	})
	if err != nil {
		return nil, err
	}
	bundle := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"resources":       []any{map[string]any{"name": "payload.json", "content": string(content)}},
		"rolloutStrategy": map[string]any{"autoPartitionSize": int64(0)},
		"targets":         []any{map[string]any{"clusterSelector": map[string]any{"matchLabels": map[string]any{bed.AmongFirst(n): "true"}}}},
	}}}
	bundle.SetGroupVersionKind(rancherBundle)
	bundle.SetNamespace(rancherWorkspace)
	bundle.SetName(name)
	if err := r.bed.Client.Create(ctx, bundle); err != nil {
		return nil, fmt.Errorf("create Bundle %s: %w", name, err)
	}
	return &Run{
		Children: rancherDeployment, Labels: client.MatchingLabels{rancherBundleName: name, rancherBundleNamespace: rancherWorkspace},
		Report: func(child *unstructured.Unstructured) ([]byte, error) { return rancherDone(child, name) },
		Parent: rancherBundle, Key: client.ObjectKeyFromObject(bundle), Completed: rancherCompleted,
		Delete: func(ctx context.Context) error { return r.bed.Client.Delete(ctx, bundle) },
	}, nil
}

// rancherCompleted is how many clusters a Bundle calls ready.
func rancherCompleted(parent *unstructured.Unstructured) int {
	ready, _, _ := unstructured.NestedInt64(parent.Object, "status", "summary", "ready")
	return int(ready)
}

// rancherDone is what fleet-agent writes when it has installed the release and found its one resource as it should be.
func rancherDone(child *unstructured.Unstructured, name string) ([]byte, error) {
	id, _, err := unstructured.NestedString(child.Object, "spec", "deploymentID")
	if err != nil || id == "" {
		return nil, errors.Join(fmt.Errorf("BundleDeployment %s has not been released", client.ObjectKeyFromObject(child)), err)
	}
	now := time.Now().UTC().Format(time.RFC3339)
	var conditions []any
	for _, kind := range []string{"Installed", "Deployed", "Ready", "Monitored"} {
		conditions = append(conditions, map[string]any{"type": kind, "status": string(metav1.ConditionTrue), "lastUpdateTime": now})
	}
	return json.Marshal(map[string]any{"status": map[string]any{
		"conditions": conditions, "appliedDeploymentID": id, "release": bed.Namespace + "/" + name + ":1",
		"ready": true, "nonModified": true, "syncGeneration": 0,
		"resources":      []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "namespace": bed.Namespace, "name": name, "createdAt": now}},
		"resourceCounts": map[string]any{"desiredReady": 1, "ready": 1, "missing": 0, "modified": 0, "notReady": 0, "orphaned": 0, "unknown": 0, "waitApplied": 0},
	}})
}
