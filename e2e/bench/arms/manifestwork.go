// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// workDone is what Open Cluster Management's work agent writes when an Operation has succeeded on its cluster: all conditions, and the values that the
// work asks for.
func workDone(child *unstructured.Unstructured) ([]byte, error) {
	return workReport(child, opsv1alpha1.PhaseSucceeded, "EngineCompleted", "the Job is complete")
}

// WorkFailed is the same for one that has failed with a long message.
func WorkFailed(message string) func(*unstructured.Unstructured) ([]byte, error) {
	return func(child *unstructured.Unstructured) ([]byte, error) {
		return workReport(child, opsv1alpha1.PhaseFailed, "EngineFailed", message)
	}
}

func workReport(child *unstructured.Unstructured, phase opsv1alpha1.OperationPhase, reason, message string) ([]byte, error) {
	now := metav1.Now()
	condition := func(kind, why string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: why, LastTransitionTime: now, ObservedGeneration: child.GetGeneration()}
	}
	conditions := []metav1.Condition{
		condition(workv1.WorkApplied, "AppliedManifestComplete"), condition(workv1.WorkAvailable, "ResourceAvailable"),
		condition(workv1.WorkComplete, workv1.ConditionRuleEvaluated),
	}
	text := func(name, value string) workv1.FeedbackValue {
		return workv1.FeedbackValue{Name: name, Value: workv1.FieldValue{Type: workv1.String, String: ptr.To(value)}}
	}
	number := func(name string, n int64) workv1.FeedbackValue {
		return workv1.FeedbackValue{Name: "instances." + name, Value: workv1.FieldValue{Type: workv1.Integer, Integer: ptr.To(n)}}
	}
	ended := "succeeded"
	if phase == opsv1alpha1.PhaseFailed {
		ended = "failed"
	}
	values := []workv1.FeedbackValue{
		text("phase", string(phase)), text("reason", reason), text("message", message),
		text("finishedAt", now.UTC().Format(time.RFC3339)), number("total", 1), number(ended, 1),
	}
	return json.Marshal(map[string]any{"status": workv1.ManifestWorkStatus{
		Conditions: conditions,
		ResourceStatus: workv1.ManifestResourceStatus{Manifests: []workv1.ManifestCondition{{
			ResourceMeta: workv1.ManifestResourceMeta{
				Group: opsv1alpha1.GroupVersion.Group, Version: opsv1alpha1.GroupVersion.Version, Kind: "Operation", Resource: "operations",
				Name: child.GetName(), Namespace: opsv1alpha1.DefaultAgentNamespace,
			},
			Conditions: conditions, StatusFeedbacks: workv1.StatusFeedbackResult{Values: values},
		}}},
	}})
}
