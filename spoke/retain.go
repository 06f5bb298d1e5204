// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// stopGrace bounds how long a deleted Operation is held for its executor to stop: a person who deletes must not find the object there for ever.
const stopGrace = 2 * time.Minute

// retain looks after an Operation that has ended. It changes neither status nor what the run made; it only lets go of the Operation, and deletes
// it when its time is up. Owner references take runners such as Jobs along; artefacts stay.
func (r *operationReconciler) retain(ctx context.Context, v *visit) error {
	counted, err := v.countedOn(ctx)
	if err != nil || counted {
		// The parent still needs it to add up, and its end brings us back.
		return err
	}
	if v.op.Spec.TargetRef != nil {
		if err := v.letGo(ctx); err != nil {
			return err
		}
	}
	ttl := v.op.Spec.TTLSecondsAfterFinished
	if ttl == nil || v.op.Status.FinishedAt == nil {
		return nil
	}
	if left := v.sweptAt(v.op.Status.FinishedAt.Add(time.Duration(*ttl) * time.Second)).Sub(v.now); left > 0 {
		v.lookAgain(left)
		return nil
	}
	uid := v.op.UID
	if err := client.IgnoreNotFound(v.Delete(ctx, v.op, client.Preconditions{UID: &uid})); err != nil {
		return fmt.Errorf("delete Operation %s/%s after its time: %w", v.op.Namespace, v.op.Name, err)
	}
	return nil
}

// countedOn tells whether a parent on this cluster is still adding up its children. A child stays until then, also when it is deleted or its
// own time is up, so that the parent's counts are exact without a list of names.
func (v *visit) countedOn(ctx context.Context) (bool, error) {
	parent, err := expandedFrom(ctx, v, v.op)
	return parent != nil && parent.DeletionTimestamp.IsZero() && !parent.Status.Phase.Terminal(), err
}

// retire stops a deleted Operation and lets go of it.
func (r *operationReconciler) retire(ctx context.Context, v *visit) error {
	switch {
	case v.op.Spec.Selector != nil:
		return r.retireParent(ctx, v)
	case v.terminal():
		if counted, err := v.countedOn(ctx); err != nil || counted {
			return err
		}
		return v.letGo(ctx)
	case !v.running():
		v.to().Cancel(opsv1alpha1.ReasonUserCancelled, "deleted before it started")
		return nil
	case v.op.Status.Verdict != nil:
		return r.putBack(ctx, v)
	}
	engine, err := r.registry.Get(v.op.Status.Engine)
	if err != nil {
		return v.abandon(ctx, err.Error())
	}
	if _, ok := engine.(engines.Canceler); !ok {
		return v.abandon(ctx, fmt.Sprintf("engine %s cannot stop what it started", engine.Name()))
	}
	if v.now.Sub(v.op.DeletionTimestamp.Time) > stopGrace {
		return v.abandon(ctx, fmt.Sprintf("the executor has not stopped within %s", stopGrace))
	}
	v.lookAgain(stopGrace)
	return r.execute(ctx, v)
}

// abandon lets go of a deleted Operation whose executor runs on, and says so where it outlives the Operation.
func (v *visit) abandon(ctx context.Context, why string) error {
	v.tell(corev1.EventTypeWarning, "ExecutorRunsOn", "deleted while running; "+why+", and runs on without it")
	v.end(opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, "deleted while running; "+why)
	if !v.terminal() {
		return nil // what was prepared is put back first
	}
	if err := v.write(ctx); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if counted, err := v.countedOn(ctx); err != nil || counted {
		return err
	}
	return v.letGo(ctx)
}
