// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// carryOut what a job asks for. What cannot be found again afterwards - that something was deleted, or exchanged - is not done here, but when the record says
// that it is being done: see lookAfter.
func (w *work) carryOut(ctx context.Context) (Doing, *wire.Ref, error) {
	switch {
	case w.t.rotate:
		return DoingRotate, nil, nil
	case w.t.entry != nil:
		return DoingKeep, nil, w.applier.keep(ctx, w.s, w.r, w.t.entry)
	case w.t.delete != nil:
		o, err := w.applier.read(ctx, w.t.delete)
		if err != nil {
			return "", nil, err
		}
		if gone(o, w.t.delete) {
			return "", nil, &Refusal{Outcome: wire.OutcomeNoop, Message: shown(w.t.delete) + " is not there"}
		}
		return DoingDelete, refOf(o), w.s.mayDelete(ctx, w.applier.live, o)
	}
	ref, err := w.applier.apply(ctx, w.s, w.r, w.t.object)
	return DoingApply, ref, err
}

// adopt what the job has made before the hub ended.
func (w *work) adopt(ctx context.Context) (Doing, *wire.Ref, error) {
	o, err := w.applier.read(ctx, refOf(w.t.object))
	if err != nil {
		return "", nil, err
	}
	if o == nil {
		return "", nil, fmt.Errorf("%s was there, and is gone", shown(refOf(w.t.object)))
	}
	if o.GetKind() != kindInstance {
		return DoingApply, refOf(o), nil
	}
	c, err := w.applier.as(w.s.Account)
	if err != nil {
		return "", nil, err
	}
	w.applier.one.Lock()
	defer w.applier.one.Unlock()
	return DoingApply, refOf(o), w.applier.advertiseOne(ctx, c, w.s, o)
}

// lookAfter a job that was carried out.
func (w *work) lookAfter(ctx context.Context, seen *Seen) (err error) {
	switch w.r.Doing {
	case DoingRotate:
		if err := w.s.Rotate(ctx, w.r.AppliedAt); err != nil {
			return err
		}
		seen.Verdict = Verdict{Outcome: wire.OutcomeSucceeded}
	case DoingDelete:
		seen.Verdict, err = w.lookAfterDeletion(ctx)
	case DoingApply, DoingKeep:
		if w.r.Ref.Kind == kindOperation {
			seen.Timeout = 0 // it has one of its own
		}
		seen.Verdict, err = w.lookAtObject(ctx)
	}
	return err
}

// lookAfterDeletion deletes an object, and sees whether it is gone.
func (w *work) lookAfterDeletion(ctx context.Context) (Verdict, error) {
	ref := w.r.Ref
	o, err := w.applier.read(ctx, ref)
	switch {
	case err != nil:
		return Verdict{}, err
	case gone(o, ref):
		return Verdict{Outcome: wire.OutcomeSucceeded}, nil
	case !o.GetDeletionTimestamp().IsZero():
		return Verdict{Status: wire.Status{Phase: "Deleting", Message: shown(ref) + " is being deleted"}}, nil
	}
	err = w.applier.remove(ctx, w.s, o)
	if final, ok := errors.AsType[*Refusal](err); ok {
		return Verdict{Outcome: final.Outcome, Message: final.Message, Refused: true}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	if o, err = w.applier.read(ctx, ref); err == nil && gone(o, ref) {
		return Verdict{Outcome: wire.OutcomeSucceeded}, nil
	}
	return Verdict{Status: wire.Status{Phase: "Deleting", Message: shown(ref) + " is being deleted"}}, err
}

// lookAtObject that a job has made. Where the cache does not have it, it is looked for past the cache: it may have been made just now.
func (w *work) lookAtObject(ctx context.Context) (Verdict, error) {
	ref := w.r.Ref
	var o client.Object = &opsv1alpha1.Operation{}
	if ref.Kind == kindInstance {
		o = &appsv1alpha1.ApplicationInstance{}
	}
	key := client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}
	err := w.cache.Get(ctx, key, o)
	if apierrors.IsNotFound(err) || err == nil && string(o.GetUID()) != ref.UID {
		err = w.applier.live.Get(ctx, key, o)
	}
	if apierrors.IsNotFound(err) || err == nil && string(o.GetUID()) != ref.UID {
		return Verdict{Outcome: wire.OutcomeFailed, Message: "somebody has deleted it before its end was seen"}, nil
	}
	if err != nil {
		return Verdict{}, fmt.Errorf("read %s: %w", shown(ref), err)
	}
	switch o := o.(type) {
	case *opsv1alpha1.Operation:
		return judgeOperation(o), nil
	case *appsv1alpha1.ApplicationInstance:
		return judgeInstance(o, w.r), nil
	}
	return Verdict{}, nil
}
