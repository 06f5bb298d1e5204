// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"

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
		v.lookAgain(runningInterval)
		return fmt.Errorf("observe: %w", err)
	}
	if err := v.report(out); err != nil {
		return err
	}
	if out.State != engines.StateRunning {
		v.conclude(out)
		return nil
	}
	v.lookAgain(runningInterval)
	switch {
	case v.stopping():
		return r.cancel(ctx, v, engine, run)
	case v.overdue():
		return r.timeOut(ctx, v, engine, run)
	}
	v.to().Run(out.Reason, out.Message)
	return nil
}

// conclude ends the run the way its executor says.
func (v *visit) conclude(out engines.Outcome) {
	switch {
	case v.op.Status.Reason == opsv1alpha1.ReasonUserCancelled:
		// It was asked to stop, and has: how it ended is told, not judged.
		v.to().Cancel(opsv1alpha1.ReasonUserCancelled, fmt.Sprintf("cancelled; the executor ended with %s: %s", out.Reason, out.Message))
	case out.State == engines.StateSucceeded:
		if out.Degraded != "" {
			v.to().Degrade(out.Degraded, out.Message)
		}
		v.to().Succeed(out.Reason, out.Message)
	default:
		v.to().Fail(out.Reason, out.Message)
	}
}
