// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// What messages about a cancellation begin with, while it is under way and after.
const (
	cancellingMark = "cancelling: "
	cancelledMark  = "cancelled: "
)

// cancel stops a run as far as its engine can, once, and then waits for it to end: the reason UserCancelled of a running Operation says that
// the executor was told. It does not wait for longer than spec.timeout lets it.
func (r *operationReconciler) cancel(ctx context.Context, v *visit, engine engines.Engine, run engines.Run, out engines.Outcome) error {
	if v.op.Status.Reason == opsv1alpha1.ReasonUserCancelled {
		if v.stopOverdue(out) {
			v.end(opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, fmt.Sprintf("%s%s; the executor has not stopped within spec.timeout (%s), and may run on",
				cancelledMark, strings.TrimPrefix(v.op.Status.Message, cancellingMark), v.op.Spec.Timeout.Duration))
		}
		return nil
	}
	said, err := v.stop(ctx, engine, run)
	switch {
	case err == nil:
		v.to().Run(opsv1alpha1.ReasonUserCancelled, cancellingMark+said)
	case v.overdue(out) && v.failedFor(stopGrace):
		v.end(opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, cancelledMark+notStopped(err))
	default:
		return err
	}
	return nil
}

// notStopped says that an executor could not be told to stop.
func notStopped(err error) string { return "it could not be stopped, and may run on: " + err.Error() }

// stopOverdue is overdue for a run whose executor was told to stop: what did not count until then counts from then.
func (v *visit) stopOverdue(out engines.Outcome) bool {
	if history := v.op.Status.History; out.Untimed && len(history) > 0 {
		out.Untimed, out.Began = false, history[len(history)-1].Time.Time
	}
	return v.overdue(out)
}

// cancelUnrecorded cancels a run of which nothing was recorded: the agent died, or was refused, between the fence and the record. What it may
// have made by then is removed where the engine knows how, and nothing new is made.
func (r *operationReconciler) cancelUnrecorded(ctx context.Context, v *visit, engine engines.Engine, run engines.Run) error {
	said, err := v.stop(ctx, engine, run)
	switch {
	case err != nil && !v.failedFor(startDeadline(v.op)):
		return err
	case err != nil:
		said = notStopped(err)
	}
	v.end(opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, "cancelled before anything was recorded: "+said)
	return nil
}

// timeOut ends a run that took longer than spec.timeout. It ends now, whatever the executor makes of being stopped: a bound that
// waits for the thing it bounds is none. What keeps it from being told to stop may be gone in a moment, and gets one.
func (r *operationReconciler) timeOut(ctx context.Context, v *visit, engine engines.Engine, run engines.Run, out engines.Outcome) error {
	said, err := v.stop(ctx, engine, run)
	switch {
	case err != nil && !v.failedFor(stopGrace):
		return err
	case err != nil:
		said = notStopped(err)
	}
	// How it stood is often why it took so long: an executor may try for ever what cannot work.
	v.end(opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTimeout, fmt.Sprintf("not done within spec.timeout (%s): %s; %s",
		v.op.Spec.Timeout.Duration, opsv1alpha1.Truncate(out.Message, opsv1alpha1.MaxMessage/2), said))
	return nil
}

// overdue tells whether spec.timeout has gone by since the executor began, or since the fence when it does not say, and sees to it that the
// moment is not missed.
func (v *visit) overdue(out engines.Outcome) bool {
	if v.op.Spec.Timeout == nil || v.op.Status.StartedAt == nil || out.Untimed {
		return false
	}
	since := v.op.Status.StartedAt.Time
	if !out.Began.IsZero() {
		since = out.Began
	}
	left := since.Add(v.op.Spec.Timeout.Duration).Sub(v.now)
	if left > 0 {
		v.lookAgain(left)
	}
	return left <= 0
}

// stop does what the engine's Cancellation says, and tells in words what was done or why nothing could be.
func (v *visit) stop(ctx context.Context, engine engines.Engine, run engines.Run) (string, error) {
	canceler, ok := engine.(engines.Canceler)
	if !ok {
		return fmt.Sprintf("engine %s cannot stop what it started; it runs on until it ends", engine.Name()), nil
	}
	c, err := canceler.Cancel(ctx, v.reader(), run)
	if err != nil {
		return "", fmt.Errorf("plan the cancellation: %w", err)
	}
	for _, obj := range c.Delete {
		if err := v.deleteOwn(ctx, obj, run); err != nil {
			return "", err
		}
	}
	for _, change := range c.Apply {
		if _, refused, err := v.put(ctx, change, run); err != nil || refused != nil {
			return "", fmt.Errorf("apply the cancellation: %w", orRefused(err, refused))
		}
	}
	if c.Message == "" {
		c.Message = "the executor was told to stop"
	}
	return c.Message, nil
}

// deleteOwn deletes an object of the run and nothing else that may have its name by now. In the foreground: the object stays until all that
// belongs to it is gone, so that Cancelled is not said while something is still at work. An engine that gives a resourceVersion means the object
// as it was then, and nothing belongs to it: it goes at once, or the engine is asked again.
func (v *visit) deleteOwn(ctx context.Context, obj client.Object, run engines.Run) error {
	there := obj.DeepCopyObject().(client.Object)
	err := v.live.Get(ctx, client.ObjectKeyFromObject(obj), there)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read what to delete: %w", err)
	case there.GetLabels()[opsv1alpha1.LabelOperation] != string(run.UID()) || !there.GetDeletionTimestamp().IsZero():
		return nil
	}
	uid, asOf, propagation := there.GetUID(), (*string)(nil), metav1.DeletePropagationForeground
	if seen := obj.GetResourceVersion(); seen != "" {
		asOf, propagation = &seen, metav1.DeletePropagationBackground
	}
	gvk, err := apiutil.GVKForObject(there, v.Scheme())
	if err != nil {
		return fmt.Errorf("delete an object of an unknown kind: %w", err)
	}
	by, a, err := v.hand(profileOf(run.Operation), gvk, there.GetNamespace())
	if err != nil {
		return err
	}
	err = by.Delete(ctx, there, client.PropagationPolicy(propagation), client.Preconditions{UID: &uid, ResourceVersion: asOf})
	if err := client.IgnoreNotFound(err); err != nil {
		return fmt.Errorf("delete %T %s/%s: %w", there, there.GetNamespace(), there.GetName(), v.regain(ctx, a, err))
	}
	return nil
}
