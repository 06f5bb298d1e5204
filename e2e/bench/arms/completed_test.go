// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What a peer has not been told must not count as done: the roll-up would look faster than it is.
func TestCompleted(t *testing.T) {
	condition := func(kind, status string) map[string]any { return map[string]any{"type": kind, "status": status} }
	karmada := func(statuses ...any) map[string]any { return map[string]any{"aggregatedStatus": statuses} }
	azure := func(statuses ...any) map[string]any { return map[string]any{"placementStatuses": statuses} }
	for name, test := range map[string]struct {
		completed func(*unstructured.Unstructured) int
		status    map[string]any
		want      int
	}{
		"karmada, nothing yet":        {karmadaCompleted, nil, 0},
		"karmada, one of three":       {karmadaCompleted, karmada(map[string]any{"applied": true, "health": "Healthy"}, map[string]any{"applied": true, "health": "Unknown"}, map[string]any{"health": "Unknown"}), 1},
		"azure, nothing yet":          {azureCompleted, nil, 0},
		"azure, applied, unavailable": {azureCompleted, azure(map[string]any{"conditions": []any{condition("Applied", "True"), condition("Available", "False")}}), 0},
		"azure, one of two":           {azureCompleted, azure(map[string]any{"conditions": []any{condition("Available", "True")}}, map[string]any{}), 1},
		"rancher, nothing yet":        {rancherCompleted, nil, 0},
		"rancher, one of two":         {rancherCompleted, map[string]any{"summary": map[string]any{"desiredReady": int64(2), "ready": int64(1)}}, 1},
	} {
		parent := &unstructured.Unstructured{Object: map[string]any{"status": test.status}}
		if got := test.completed(parent); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// A BundleDeployment that its rollout holds back has nothing to report on.
func TestRancherDone(t *testing.T) {
	child := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"stagedDeploymentID": "s-1:2"}}}
	if patch, err := rancherDone(child, "x"); err == nil {
		t.Errorf("no error for a BundleDeployment that is only staged, but %s", patch)
	}
	child.Object["spec"] = map[string]any{"deploymentID": "s-1:2"}
	if _, err := rancherDone(child, "x"); err != nil {
		t.Error(err)
	}
}
