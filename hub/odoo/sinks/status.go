// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"context"
	"errors"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/stream"
)

// report how it goes, when that has changed.
func (r *AuditSinkReconciler) report(ctx context.Context, name string, stored *opsv1alpha1.AuditSink) error {
	state, known := r.Stream.State(name)
	if !known {
		return nil
	}
	r.mu.Lock()
	wrong := r.wrong[name]
	r.mu.Unlock()
	a := stored.DeepCopy()
	a.Status.ObservedGeneration = a.Generation
	for _, c := range []metav1.Condition{connected(state, wrong, a.Spec.Suspend), state.Overflow()} {
		c.ObservedGeneration, c.LastTransitionTime = a.Generation, metav1.NewTime(r.Clock.Now().Truncate(time.Second))
		c.Message = opsv1alpha1.Truncate(c.Message, opsv1alpha1.MaxMessage)
		meta.SetStatusCondition(&a.Status.Conditions, c)
	}
	if minute := state.LastContact.Truncate(time.Minute); !minute.IsZero() && (a.Status.LastContact == nil || a.Status.LastContact.Time.Before(minute)) {
		a.Status.LastContact = &metav1.Time{Time: minute}
	}
	if equality.Semantic.DeepEqual(a.Status, stored.Status) {
		return nil
	}
	return r.Status().Patch(ctx, a, client.MergeFrom(stored))
}

// connected is the condition Connected that a state comes to.
func connected(s stream.State, wrong error, suspended bool) metav1.Condition {
	c := metav1.Condition{Type: opsv1alpha1.ConditionConnected, Status: metav1.ConditionUnknown, Reason: opsv1alpha1.ReasonNotYetReported, Message: "nothing has been told yet"}
	var lacks *missing
	switch {
	case errors.As(wrong, &lacks):
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, opsv1alpha1.ReasonCredentialsMissing, wrong.Error()
	case wrong != nil:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, opsv1alpha1.ReasonInvalidConfiguration, wrong.Error()
	case suspended:
		c.Reason, c.Message = opsv1alpha1.ReasonSuspended, "spec.suspend is set: nothing is told until it is false, and nothing is lost"
	case s.Err != nil:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, reasonOf(s.Err), s.Err.Error()
	case s.Connected:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, opsv1alpha1.ReasonAnswering, "what was told last was taken"
	}
	return c
}

// reasonOf an error of a delivery.
func reasonOf(err error) string {
	var answer *answerError
	if !errors.As(err, &answer) {
		return opsv1alpha1.ReasonUnreachable
	}
	switch answer.status {
	case http.StatusUnauthorized:
		return opsv1alpha1.ReasonUnauthorized
	case http.StatusForbidden:
		return opsv1alpha1.ReasonForbidden
	case http.StatusTooManyRequests:
		return opsv1alpha1.ReasonRateLimited
	default:
		return opsv1alpha1.ReasonUnreachable
	}
}
