// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// hold keeps an Operation, before the first word of its status is written, until whoever is to hear how it went has heard it: however it ends, and whoever deletes
// it, somebody will be told. What lets it go is hub/odoo/stream. Where nobody listens it is not held.
func (r *OperationReconciler) hold(ctx context.Context, op *opsv1alpha1.Operation) error {
	if !r.Reports || op.Status.Phase.Terminal() || !op.DeletionTimestamp.IsZero() || controllerutil.ContainsFinalizer(op, opsv1alpha1.ReportFinalizer) {
		return nil
	}
	if listens, err := r.somebodyListens(ctx); err != nil || !listens {
		return err
	}
	before := op.DeepCopy()
	controllerutil.AddFinalizer(op, opsv1alpha1.ReportFinalizer)
	err := r.Patch(ctx, op, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err = client.IgnoreNotFound(err); err != nil {
		return fmt.Errorf("hold the Operation until it has been told of: %w", err)
	}
	return nil
}

// unhold lets a deleted Operation go that an earlier hub has held, where nobody is told any more.
func (r *OperationReconciler) unhold(ctx context.Context, p *pass) error {
	if r.Reports || !controllerutil.ContainsFinalizer(p.op, opsv1alpha1.ReportFinalizer) {
		return nil
	}
	return r.dropFinalizer(ctx, p, opsv1alpha1.ReportFinalizer)
}

// somebodyListens tells whether there is a ControlPlane or an AuditSink, also one that is suspended: it will want to hear.
func (r *OperationReconciler) somebodyListens(ctx context.Context) (bool, error) {
	planes := &opsv1alpha1.ControlPlaneList{}
	if err := r.List(ctx, planes, client.Limit(1)); err != nil {
		return false, fmt.Errorf("list ControlPlanes: %w", err)
	}
	if len(planes.Items) > 0 {
		return true, nil
	}
	sinks := &opsv1alpha1.AuditSinkList{}
	if err := r.List(ctx, sinks, client.Limit(1)); err != nil {
		return false, fmt.Errorf("list AuditSinks: %w", err)
	}
	return len(sinks.Items) > 0, nil
}
