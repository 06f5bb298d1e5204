// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/jobs"
)

// conclude a pass: its error, if somebody has to act, and what the link says, become conditions. An error that is left is tried again after.
func (p *pass) conclude(err error) error {
	p.cp.Status.ObservedGeneration = p.cp.Generation
	if open, closed, known := p.jobs.Count(p.cp.Name); known {
		p.cp.Status.Jobs = &opsv1alpha1.JobCounts{Open: int32(open), Closed: int32(closed)}
	}
	p.overflow()
	if problem, ok := isProblem(err); ok {
		p.end(p.cp.Name)
		p.hinder(problem)
		return nil
	}
	if _, ok := errors.AsType[*unanswered](err); ok {
		p.set(opsv1alpha1.ConditionConnected, metav1.ConditionFalse, opsv1alpha1.ReasonUnreachable, err.Error())
	}
	s := p.session(p.cp.Name)
	if s == nil {
		return err
	}
	if p.secret != nil {
		p.cp.Status.ClusterID = p.wireOptions(p.cp, p.secret).ClusterID
	}
	p.report(s.link.look())
	return err
}

// hinder says what keeps a ControlPlane from working.
func (p *pass) hinder(why *problem) {
	p.set(opsv1alpha1.ConditionConnected, metav1.ConditionFalse, why.reason, why.message)
	if why.reason != opsv1alpha1.ReasonSuspended {
		p.set(opsv1alpha1.ConditionAuthenticated, metav1.ConditionFalse, why.reason, why.message)
	}
}

// report what the link says.
func (p *pass) report(state linkState) {
	status := &p.cp.Status
	p.set(opsv1alpha1.ConditionConnected, state.status, state.reason, state.message)
	if !state.contact.IsZero() {
		contact := metav1.NewTime(state.contact.Truncate(time.Minute))
		if status.LastContact == nil || status.LastContact.Time.Before(contact.Time) {
			status.LastContact = &contact
		}
	}
	switch current := meta.FindStatusCondition(status.Conditions, opsv1alpha1.ConditionAuthenticated); {
	case state.stopped != "":
		p.set(opsv1alpha1.ConditionAuthenticated, metav1.ConditionFalse, state.stopped, p.remedy(state))
	case state.status == metav1.ConditionTrue && (current == nil || current.Status != metav1.ConditionTrue):
		p.set(opsv1alpha1.ConditionAuthenticated, metav1.ConditionTrue, opsv1alpha1.ReasonAnswering, "the credentials are taken")
	}
}

// remedy for credentials that are not taken.
func (p *pass) remedy(state linkState) string {
	if state.stopped == opsv1alpha1.ReasonForbidden {
		return fmt.Sprintf("%s. The credentials are not for cluster %s: mend spec.clusterId, or the rights of the identity at the control plane, and then change the Secret %s, or set spec.suspend and take it back",
			state.why, p.cp.Status.ClusterID, p.cp.Spec.CredentialsSecret)
	}
	expired := ""
	if p.secret != nil && !p.secret.expiresAt.IsZero() && p.Clock.Now().After(p.secret.expiresAt) {
		expired = " They expired at " + p.secret.expiresAt.UTC().Format(time.RFC3339) + "."
	}
	return fmt.Sprintf("%s.%s The credentials are not known, also after they were read anew: put a new registration token into Secret %s as %s, or a token as %s",
		state.why, expired, p.cp.Spec.CredentialsSecret, opsv1alpha1.SecretRegistrationToken, opsv1alpha1.SecretToken)
}

// overflow is what the stream says of what could not be told.
func (p *pass) overflow() {
	c := p.Stream.Overflow(sinkName(p.cp.Name))
	p.set(opsv1alpha1.ConditionBufferOverflow, c.Status, c.Reason, c.Message)
}

func (p *pass) set(kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&p.cp.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: opsv1alpha1.Truncate(message, opsv1alpha1.MaxMessage), ObservedGeneration: p.cp.Generation,
		LastTransitionTime: metav1.NewTime(p.Clock.Now().Truncate(time.Second)),
	})
}

// noteRotation in a status.
func noteRotation(cp *opsv1alpha1.ControlPlane, f *fresh) {
	at := metav1.NewTime(f.at.Truncate(time.Second))
	reason, message := opsv1alpha1.ReasonCredentialRotated, "credentials were exchanged for new ones"
	if f.used != "" {
		reason, message = opsv1alpha1.ReasonRegistered, "registered as "+f.ClusterID
		cp.Status.ClusterID = f.ClusterID
	}
	cp.Status.RotatedAt = &at
	meta.SetStatusCondition(&cp.Status.Conditions, metav1.Condition{
		Type: opsv1alpha1.ConditionAuthenticated, Status: metav1.ConditionTrue, Reason: reason, Message: message, ObservedGeneration: cp.Generation, LastTransitionTime: at,
	})
}

// patchStatus writes what has changed.
func (r *reconciler) patchStatus(ctx context.Context, before, cp *opsv1alpha1.ControlPlane) error {
	if equality.Semantic.DeepEqual(before.Status, cp.Status) {
		return nil
	}
	written := cp.DeepCopy()
	// Conditions are written as a whole, so that a stale one must not be.
	err := r.Status().Patch(ctx, written, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the status of ControlPlane %s: %w", cp.Name, err)
	}
	cp.ResourceVersion = written.ResourceVersion
	return nil
}

// a link that has stopped is one of jobs.ErrStopped.
var _ jobs.Client = (*link)(nil)
