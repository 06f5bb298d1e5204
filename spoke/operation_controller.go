// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/telemetry"
)

const (
	// runningInterval is how often a run is looked at when no watch says anything: a safety net.
	runningInterval = 30 * time.Second
	// blockedInterval is the longest for what waits to start, and soonInterval the shortest: much of what may be in the way, such as a missing
	// right or template, is watched by nobody.
	blockedInterval = time.Minute
	soonInterval    = time.Second
	// conflictInterval is how soon a visit is repeated that met a newer version of its Operation.
	conflictInterval = 100 * time.Millisecond
)

// operationReconciler drives Operations with a selector or a target.
type operationReconciler struct {
	sites    *sites
	registry *engines.Registry
	clock    clock.PassiveClock
	// agentNamespace is where a selector may span namespaces.
	agentNamespace string
	// approvalKeys is the Secret there with the keys of approvals.
	approvalKeys string
	locks        *targetLocks
	book         *catalog.Book
}

// Reconcile fetches, takes the steps, and writes the status once at the end, also when a step failed.
func (r *operationReconciler) Reconcile(ctx context.Context, req mcreconcile.Request) (ctrl.Result, error) {
	s, err := r.sites.get(req.ClusterName)
	if err != nil {
		return ctrl.Result{}, err
	}
	var op opsv1alpha1.Operation
	if err := s.Get(ctx, req.NamespacedName, &op); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if op.Spec.Placement != nil {
		return ctrl.Result{}, nil // the hub's
	}
	if op.Spec.TargetRef != nil {
		ctx = log.IntoContext(ctx, log.FromContext(ctx).WithValues(telemetry.KeyInstance, op.Namespace+"/"+op.Spec.TargetRef.Name))
	}
	v := newVisit(s, &op, r.clock)
	err = r.step(ctx, v)
	v.remember(err)
	err = errors.Join(err, v.write(ctx))
	if onlyConflict(err) {
		// Somebody wrote meanwhile. Nothing depends on what was not written: look again at what is there now.
		return ctrl.Result{RequeueAfter: conflictInterval}, nil
	}
	if err != nil {
		return ctrl.Result{}, v.redaction.Error(err) // which is logged
	}
	return ctrl.Result{RequeueAfter: v.again}, nil
}

// onlyConflict tells whether everything that went wrong is that the Operation was changed meanwhile.
func onlyConflict(err error) bool {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return false
	}
	for _, e := range joined.Unwrap() {
		if !apierrors.IsConflict(e) {
			return false
		}
	}
	return true
}

// step does what an Operation's state asks for.
func (r *operationReconciler) step(ctx context.Context, v *visit) error {
	op := v.op
	switch {
	case !op.DeletionTimestamp.IsZero():
		return r.retire(ctx, v)
	case v.terminal():
		return r.retain(ctx, v)
	case v.late():
		v.to().Fail(opsv1alpha1.ReasonResultLost, v.tooLate())
		return nil
	case op.Spec.Cancel && !v.running():
		v.to().Cancel(opsv1alpha1.ReasonUserCancelled, "cancelled before it started")
		return nil
	case op.Spec.Selector != nil:
		return r.expand(ctx, v)
	case op.Spec.TargetRef != nil:
		return r.execute(ctx, v)
	default:
		v.to().Reject("spec: set exactly one of targetRef and selector")
		return nil
	}
}

// accept records once that the request makes sense.
func (v *visit) accept() {
	if v.op.Status.Phase == "" {
		v.to().Accept("the request makes sense")
	}
}

// hold reports what keeps an Operation from starting, if anything does, and ends it when that has been wrong for longer than its start deadline.
func (v *visit) hold(b *blocker) {
	if b == nil {
		return
	}
	v.to().Block(b.reason, b.message)
	v.lookAgain(blockedInterval)
	if b.opens > 0 {
		v.lookAgain(b.opens)
	}
	if !countsAgainstDeadline(b.reason) {
		return
	}
	deadline, waited := startDeadline(v.op), blockedFor(v.op.Status.History, v.now)
	v.lookAgain(blockedPause(waited))
	if left := deadline - waited; left > 0 {
		v.lookAgain(left)
		return
	}
	v.to().Fail(b.reason, fmt.Sprintf("not started within %s: %s", deadline, b.message))
}

// blockedPause is how soon to look again at what has waited for so long: often while somebody may be at it, and seldom later.
func blockedPause(waited time.Duration) time.Duration {
	return min(max(waited/4, soonInterval), blockedInterval)
}
