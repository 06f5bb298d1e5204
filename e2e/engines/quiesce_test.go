// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestQuiesce: a Backup by Velero between two Jobs of Kubernetes' own controller, and the second also when the first fails.
func TestQuiesce(t *testing.T) {
	for name, c := range map[string]struct {
		outcome string
		phase   opsv1alpha1.OperationPhase
		reason  string
	}{
		"succeeds": {"", opsv1alpha1.PhaseSucceeded, "VeleroBackupCompleted"},
		"fails":    {"fail", opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonQuiesceFailed},
	} {
		t.Run(name, func(t *testing.T) {
			op := operation(t, sleeper(t, c.outcome), opsv1alpha1.TypeBackup, opsv1alpha1.EngineVelero, map[string]any{"quiesce": true})
			create(t, op)
			reaches(t, op, c.phase, c.reason)
			for _, step := range []string{"quiesce", "unquiesce"} {
				var jobs batchv1.JobList
				err := k8s.List(t.Context(), &jobs, client.InNamespace(namespace),
					client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID), opsv1alpha1.LabelStep: step})
				if err != nil || len(jobs.Items) != 1 {
					t.Errorf("%d Jobs for step %s: %v", len(jobs.Items), step, err)
				}
			}
			t.Logf("%s: %s", op.Status.Reason, op.Status.Message)
		})
	}
}

// sleeper is an instance that engine job quiesces, with the outcome.
func sleeper(t *testing.T, outcome string) string {
	t.Helper()
	name := placeholder(t, opsv1alpha1.EngineVelero)
	ai := &appsv1alpha1.ApplicationInstance{}
	if err := k8s.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, ai); err != nil {
		t.Fatal(err)
	}
	base := ai.DeepCopy()
	ai.Annotations[opsv1alpha1.CapabilityQuiesce] = string(opsv1alpha1.EngineJob)
	ai.Annotations[opsv1alpha1.AnnotationQuiesceParameters] =
		`{"image":"registry.example.com/probe:1","podAnnotations":{"testbed.vworkspace.io/outcome":"` + outcome + `"}}`
	ai.Annotations[opsv1alpha1.AnnotationUnquiesceParameters] = `{"image":"registry.example.com/probe:1"}`
	if err := k8s.Patch(t.Context(), ai, client.MergeFrom(base)); err != nil {
		t.Fatal(err)
	}
	return name
}
