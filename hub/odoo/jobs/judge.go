// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// Verdict on what a job has made: an outcome, or a status while there is none.
type Verdict struct {
	// Outcome of the job; empty while it is open.
	Outcome string
	// Message of the outcome.
	Message string
	// Refused tells that nothing was carried out.
	Refused bool
	// Status while it is open.
	Status wire.Status
}

// judgeOperation by how it ended.
func judgeOperation(op *opsv1alpha1.Operation) Verdict {
	s := &op.Status
	switch s.Phase {
	case opsv1alpha1.PhaseSucceeded:
		return Verdict{Outcome: wire.OutcomeSucceeded}
	case opsv1alpha1.PhaseFailed, opsv1alpha1.PhaseCancelled:
		return Verdict{Outcome: wire.OutcomeFailed, Message: s.Reason + ": " + s.Message}
	case opsv1alpha1.PhasePending, opsv1alpha1.PhaseRunning:
	}
	phase := string(s.Phase)
	if phase == "" {
		phase = string(opsv1alpha1.PhasePending)
	}
	return Verdict{Status: wire.Status{Phase: phase, Conditions: s.Conditions, Message: s.Message}}
}

// judgeInstance by whether the generation that the job made is ready, or has failed for good. Another job may have changed it since: what comes to be then is that
// job's to tell.
func judgeInstance(ai *appsv1alpha1.ApplicationInstance, r *Record) Verdict {
	if job := ai.Annotations[opsv1alpha1.AnnotationJob]; job != r.source() && job != "" {
		return Verdict{Outcome: wire.OutcomeNoop, Message: fmt.Sprintf("job %s has changed it again before it was ready", job)}
	}
	v := Verdict{Status: wire.Status{Phase: "Applied", Conditions: ai.Status.Conditions, Message: "sent; the cluster has not reported it yet"}}
	ready := meta.FindStatusCondition(ai.Status.Conditions, appsv1alpha1.ConditionReady)
	if blocked := meta.FindStatusCondition(ai.Status.Conditions, appsv1alpha1.ConditionBlocked); blocked != nil && blocked.Status == metav1.ConditionTrue {
		v.Status.Phase, v.Status.Message = "Blocked", blocked.Reason+": "+blocked.Message
	} else if ready != nil {
		v.Status.Message = ready.Reason + ": " + ready.Message
	}
	if !ai.DeletionTimestamp.IsZero() {
		return Verdict{Outcome: wire.OutcomeFailed, Message: "somebody has deleted it before it was ready"}
	}
	if ai.Status.ObservedGeneration < r.Ref.Generation || ready == nil {
		return v
	}
	degraded := meta.FindStatusCondition(ai.Status.Conditions, appsv1alpha1.ConditionDegraded)
	switch {
	case ready.Status == metav1.ConditionTrue:
		return Verdict{Outcome: wire.OutcomeSucceeded}
	case degraded != nil && degraded.Status == metav1.ConditionTrue:
		return Verdict{Outcome: wire.OutcomeFailed, Message: degraded.Reason + ": " + degraded.Message}
	case ready.Status == metav1.ConditionFalse && final(ready.Reason):
		return Verdict{Outcome: wire.OutcomeFailed, Message: ready.Reason + ": " + ready.Message}
	}
	return v
}

// final tells whether an instance that is not ready for a reason stays so until somebody changes what is asked for.
func final(reason string) bool {
	switch reason {
	case appsv1alpha1.ReasonReleaseFailed, appsv1alpha1.ReasonRolledBack, appsv1alpha1.ReasonNamespaceMismatch:
		return true
	}
	return false
}
