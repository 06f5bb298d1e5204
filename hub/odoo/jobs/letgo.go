// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// LetGo writes down how an Operation ended in the record of the job that made it, before it may be gone: also while nobody speaks with the control plane, so that what
// comes later neither takes it for lost nor makes it again. It is for whoever takes the Operation's finalizer away, and has to succeed before.
func (j *Jobs) LetGo(ctx context.Context, op *opsv1alpha1.Operation) error {
	controlPlane, id, found := strings.Cut(op.Annotations[opsv1alpha1.AnnotationJob], "/")
	if !found {
		return nil
	}
	r, err := j.store.read(ctx, RecordName(controlPlane, id))
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !r.notesEnd(op, j.Clock.Now()) {
		return nil
	}
	stored, err := j.store.update(ctx, r)
	if err != nil {
		return err // the job may be looked at in this moment: then the next try finds it decided
	}
	if j.ledger.get(stored.name()) != nil { // else it is loaded with all others
		j.ledger.put(stored)
		j.ask(stored.name())
	}
	return nil
}

// notesEnd takes note of how an Operation that is about to go has ended, and tells whether that is news. A job that was acknowledged, and whose Operation is there, has made
// it: the hub was ended before that was written down.
func (r *Record) notesEnd(op *opsv1alpha1.Operation, now time.Time) bool {
	ref := &wire.Ref{
		APIVersion: opsv1alpha1.GroupVersion.String(), Kind: kindOperation, Namespace: op.Namespace, Name: op.Name, UID: string(op.UID), Generation: op.Generation,
	}
	switch {
	case r.State == StateAcked && r.Result == nil && byAccount(op):
		r.State, r.Doing, r.Ref, r.AppliedAt = StateApplied, DoingApply, ref, now
	case r.State != StateApplied || r.Doing != DoingApply || r.Ref == nil || r.Ref.UID != ref.UID:
		return false
	}
	verdict := judgeOperation(op)
	if verdict.Outcome == "" {
		verdict = Verdict{Outcome: wire.OutcomeFailed, Message: "somebody has deleted it before it had ended"}
	}
	r.decide(now, verdict.Outcome, verdict.Message)
	r.State = StateDecided
	return true
}

// byAccount tells whether an Operation may be of a job: a person who has written a job's name into one of his own is written down as the one who asked for it.
func byAccount(op *opsv1alpha1.Operation) bool {
	by := op.Annotations[opsv1alpha1.AnnotationRequestedBy]
	return by == "" || strings.HasPrefix(by, "system:serviceaccount:")
}
