// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

func TestJudgeOperation(t *testing.T) {
	cases := []struct {
		name                    string
		status                  opsv1alpha1.OperationStatus
		outcome, message, phase string
	}{
		{name: "nobody has looked yet", phase: "Pending"},
		{name: "it waits", status: opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhasePending, Message: "m"}, phase: "Pending"},
		{name: "it runs", status: opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseRunning}, phase: "Running"},
		{name: "it did", status: opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseSucceeded, Reason: "AllSucceeded"}, outcome: wire.OutcomeSucceeded},
		{name: "it did not", status: opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseFailed, Reason: "SomeFailed", Message: "2 of 3"}, outcome: wire.OutcomeFailed, message: "SomeFailed: 2 of 3"},
		{name: "it was stopped", status: opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseCancelled, Reason: "UserCancelled", Message: "m"}, outcome: wire.OutcomeFailed, message: "UserCancelled: m"},
	}
	for _, c := range cases {
		got := judgeOperation(&opsv1alpha1.Operation{Status: c.status})
		if got.Outcome != c.outcome || got.Message != c.message || got.Status.Phase != c.phase {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
}

func TestJudgeInstance(t *testing.T) {
	r := &Record{ControlPlane: "odoo", Job: wire.Job{ID: "j1"}, Ref: &wire.Ref{Generation: 2}}
	ready := func(status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: appsv1alpha1.ConditionReady, Status: status, Reason: reason, Message: "m"}
	}
	cases := []struct {
		name       string
		job        string
		observed   int64
		conditions []metav1.Condition
		change     func(*appsv1alpha1.ApplicationInstance)
		outcome    string
		message    string
		phase      string
	}{
		{name: "nobody has looked yet", phase: "Applied"},
		{name: "ready of the generation before", observed: 1, conditions: []metav1.Condition{ready(metav1.ConditionTrue, "Installed")}, phase: "Applied"},
		{name: "ready", observed: 2, conditions: []metav1.Condition{ready(metav1.ConditionTrue, "Installed")}, outcome: wire.OutcomeSucceeded},
		{name: "ready of a later generation", observed: 3, conditions: []metav1.Condition{ready(metav1.ConditionTrue, "Installed")}, outcome: wire.OutcomeSucceeded},
		{name: "on its way", observed: 2, conditions: []metav1.Condition{ready(metav1.ConditionFalse, "Progressing")}, phase: "Applied"},
		{name: "the chart may come yet", observed: 2, conditions: []metav1.Condition{ready(metav1.ConditionFalse, "SourceFailed")}, phase: "Applied"},
		{name: "failed of the generation before", observed: 1, conditions: []metav1.Condition{ready(metav1.ConditionFalse, "ReleaseFailed")}, phase: "Applied"},
		{name: "failed", observed: 2, conditions: []metav1.Condition{ready(metav1.ConditionFalse, "ReleaseFailed")}, outcome: wire.OutcomeFailed, message: "ReleaseFailed: m"},
		{name: "rolled back", observed: 2, conditions: []metav1.Condition{ready(metav1.ConditionFalse, "RolledBack")}, outcome: wire.OutcomeFailed, message: "RolledBack: m"},
		{
			name: "degraded", observed: 2, outcome: wire.OutcomeFailed, message: "Worse: d",
			conditions: []metav1.Condition{ready(metav1.ConditionFalse, "Progressing"), {Type: appsv1alpha1.ConditionDegraded, Status: metav1.ConditionTrue, Reason: "Worse", Message: "d"}},
		},
		{
			name: "blocked", observed: 1, phase: "Blocked",
			conditions: []metav1.Condition{{Type: appsv1alpha1.ConditionBlocked, Status: metav1.ConditionTrue, Reason: "ClusterNotFound", Message: "b"}},
		},
		{name: "changed by another job", job: "odoo/j2", outcome: wire.OutcomeNoop, message: "job odoo/j2"},
		{
			name: "deleted", outcome: wire.OutcomeFailed, message: "deleted",
			change: func(ai *appsv1alpha1.ApplicationInstance) { ai.DeletionTimestamp = &metav1.Time{Time: noon} },
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			job := c.job
			if job == "" {
				job = "odoo/j1"
			}
			ai := &appsv1alpha1.ApplicationInstance{
				ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{opsv1alpha1.AnnotationJob: job}},
				Status:     appsv1alpha1.ApplicationInstanceStatus{ObservedGeneration: c.observed, Conditions: c.conditions},
			}
			if c.change != nil {
				c.change(ai)
			}
			got := judgeInstance(ai, r)
			if got.Outcome != c.outcome || !strings.Contains(got.Message, c.message) || got.Outcome == "" && got.Status.Phase != c.phase {
				t.Errorf("got %+v", got)
			}
		})
	}
}
