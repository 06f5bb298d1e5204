// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"strings"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// observe asks the engine where the run stands, and makes that the Operation's state. A result that is there wins over a cancel or a timeout
// that comes later.
func (r *operationReconciler) observe(ctx context.Context, v *visit, engine engines.Engine, run engines.Run) error {
	if !run.Applied() && v.stopping() {
		return r.cancelUnrecorded(ctx, v, engine, run)
	}
	out, err := engine.Observe(ctx, v.reader(), run)
	if err != nil {
		return r.unobserved(ctx, v, engine, run, fmt.Errorf("observe: %w", err))
	}
	if err := v.report(out); err != nil {
		return err
	}
	if out.State != engines.StateRunning {
		v.conclude(out)
		return nil
	}
	v.lookAgain(runningInterval)
	return errors.Join(r.goOn(ctx, v, engine, run, out), v.remind(ctx, out, run))
}

// goOn is what becomes of a run that has not ended.
func (r *operationReconciler) goOn(ctx context.Context, v *visit, engine engines.Engine, run engines.Run, out engines.Outcome) error {
	switch {
	case v.stopping():
		return r.cancel(ctx, v, engine, run, out)
	case v.overdue(out):
		return r.timeOut(ctx, v, engine, run, out)
	case len(out.Next) > 0:
		return v.proceed(ctx, out, run)
	case out.Waiting != "":
		v.to().Await(out.Waiting, out.Reason, out.Message)
	default:
		v.to().Run(out.Reason, out.Message)
	}
	return nil
}

// unobserved is what becomes of a run when nobody can tell how it stands: it ends when that has lasted for spec.timeout, and it can be cancelled, though not
// in the first moments, as a result that is there counts. That time counts from the first failure. One counted from the start may have gone by long ago, for a run that had waited in its executor's
// queue or that goes on for its own sake (Outcome.Untimed), and a single failure would end it.
func (r *operationReconciler) unobserved(ctx context.Context, v *visit, engine engines.Engine, run engines.Run, cause error) error {
	out := engines.Running(opsv1alpha1.ReasonEngineRunning, "nobody can tell how it stands: %v", cause)
	out.Began = v.failing()
	var err error
	switch {
	case v.stopping():
		if v.failedFor(stopGrace) {
			err = r.cancel(ctx, v, engine, run, out)
		}
	case v.overdue(out):
		err = r.timeOut(ctx, v, engine, run, out)
	}
	if v.ended() {
		return nil
	}
	return errors.Join(cause, err)
}

// proceed puts the run's next step in place and records it, once what was done before is on record and nobody else has gone on. The step's
// names are the run's own, so a crash before its record puts the same in place again, which changes nothing.
func (v *visit) proceed(ctx context.Context, out engines.Outcome, run engines.Run) error {
	if err := errors.Join(v.write(ctx), v.confirm(ctx)); err != nil {
		return err
	}
	added, refused, err := v.putAll(ctx, out.Next, run)
	switch {
	case err != nil:
		return fmt.Errorf("take the next step: %w", err)
	case refused != nil:
		v.end(opsv1alpha1.PhaseFailed, refused.reason, refused.message)
		return nil
	}
	v.op.Status.Resources = append(v.op.Status.Resources, added...)
	v.to().Run(out.Reason, out.Message)
	return nil
}

// remind makes the executor look again. It is no part of the run: what cannot be done is tried again, and ends nothing.
func (v *visit) remind(ctx context.Context, out engines.Outcome, run engines.Run) error {
	for _, change := range out.Remind {
		if _, refused, err := v.put(ctx, change, run); err != nil || refused != nil {
			return fmt.Errorf("remind the executor: %w", orRefused(err, refused))
		}
	}
	return nil
}

// conclude ends the run the way its executor says.
func (v *visit) conclude(out engines.Outcome) {
	cancelled := v.op.Status.Reason == opsv1alpha1.ReasonUserCancelled
	switch {
	case cancelled && out.Reason == opsv1alpha1.ReasonResultLost:
		// What is lost is what the cancellation took away, and has said so.
		v.end(opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, cancelledMark+strings.TrimPrefix(v.op.Status.Message, cancellingMark))
	case v.stopping() && out.Reason == opsv1alpha1.ReasonResultLost:
		// It was told to stop, perhaps, by a process that died before it could say so: to stop it, some executors' objects are deleted.
		v.end(opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, cancelledMark+out.Message)
	case cancelled:
		// It was asked to stop, and has: how it ended is told, not judged.
		v.end(opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, fmt.Sprintf(cancelledMark+"the executor ended with %s: %s", out.Reason, out.Message))
	case out.State == engines.StateSucceeded:
		if out.Degraded != "" {
			v.to().Degrade(out.Degraded, out.Message)
		}
		v.end(opsv1alpha1.PhaseSucceeded, out.Reason, out.Message)
	default:
		v.end(opsv1alpha1.PhaseFailed, out.Reason, out.Message)
	}
}
