// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// fence makes the API server agree that this run has started, before the first effect.
//
// What led here was read from a cache and may be stale: the Operation may have run, ended and been seen by others since. The write carries the
// resourceVersion that was read, so it is accepted only if nothing at all has happened to the Operation in between; otherwise it is a
// conflict, nothing has been done, and the next visit starts from what is there. Whoever passes knows that no one else has started
// this run and that, from now on, every reader sees it running. A crash after this line leaves a run without recorded resources,
// which execute and expand take up again by names that only this run has.
func (v *visit) fence(ctx context.Context, reason, message string) error {
	if err := v.holdByFinalizer(ctx); err != nil {
		return err
	}
	if v.approval != nil {
		v.op.Status.Approval = v.approval.Status(v.clock.Now())
		message += ", approved by " + v.approval.Approver
	}
	v.to().Run(reason, message)
	if err := v.write(ctx); err != nil {
		// Not started, as far as we know. Nothing later in this visit may write it after all: the target's lock is given back by then.
		v.op.Status = *v.before.DeepCopy()
		return err
	}
	return nil
}

// holdByFinalizer keeps the Operation from vanishing while it has effects that have to be stopped or cleaned up.
func (v *visit) holdByFinalizer(ctx context.Context) error {
	if controllerutil.ContainsFinalizer(v.op, opsv1alpha1.OperationFinalizer) {
		return nil
	}
	held := v.op.DeepCopy()
	controllerutil.AddFinalizer(held, opsv1alpha1.OperationFinalizer)
	return v.patchMeta(ctx, held, "hold")
}

// letGo takes the finalizer away.
func (v *visit) letGo(ctx context.Context) error {
	if !controllerutil.ContainsFinalizer(v.op, opsv1alpha1.OperationFinalizer) {
		return nil
	}
	free := v.op.DeepCopy()
	controllerutil.RemoveFinalizer(free, opsv1alpha1.OperationFinalizer)
	return client.IgnoreNotFound(v.patchMeta(ctx, free, "let go of"))
}

// patchMeta writes changed metadata under optimistic lock and leaves the status in hand alone: the answer holds the stored one.
func (v *visit) patchMeta(ctx context.Context, changed *opsv1alpha1.Operation, doing string) error {
	if err := v.Patch(ctx, changed, client.MergeFromWithOptions(v.op, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("%s Operation %s/%s: %w", doing, v.op.Namespace, v.op.Name, err)
	}
	v.op.ObjectMeta = changed.ObjectMeta
	return nil
}

// confirm reads the Operation from the API server and fails with a conflict unless it is the one in hand. Whatever creates on the word of a
// status that was read, and not just written, asks first: a cache that has not seen status.resources yet would otherwise run twice.
func (v *visit) confirm(ctx context.Context) error {
	var now opsv1alpha1.Operation
	if err := v.live.Get(ctx, client.ObjectKeyFromObject(v.op), &now); err != nil {
		return fmt.Errorf("read Operation %s/%s again: %w", v.op.Namespace, v.op.Name, err)
	}
	if now.UID != v.op.UID || now.ResourceVersion != v.op.ResourceVersion {
		return conflict(opsv1alpha1.GroupVersion.WithResource("operations"), v.op)
	}
	return nil
}
