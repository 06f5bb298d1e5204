// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// undoDeadline bounds how long it is tried to put back what was prepared, from the first attempt on: an agent that was away has not tried. After that the
// run ends as Failed, and says what was not put back.
const undoDeadline = 10 * time.Minute

// preparation is something that is done to the target before the engine starts and undone after the run has ended, however it ended.
//
// It is written down as Started before anything is done. From then on it is undone: when the engine failed, when the run was cancelled or timed
// out, when the agent died in between. So do and undo may both be called any number of times, and undo also when do had no effect.
type preparation interface {
	name() string
	// settings are what undo has to know whatever becomes of the target. They are written down before anything is done.
	settings() map[string]string
	// blocker is what keeps it from being done, asked before the run starts.
	blocker(ctx context.Context, v *visit) (*blocker, error)
	// do tells whether it is done; when not, it is called again later. It may write the status, which moves the note.
	do(ctx context.Context, v *visit, note *opsv1alpha1.Preparation) (done bool, refused *refusal, err error)
	// undo tells whether it is undone. It is called again after an error, unless that is a *neverPutBack. It may write the status, too.
	undo(ctx context.Context, v *visit, note *opsv1alpha1.Preparation) (done bool, err error)
}

// preparations of an Operation on a target, in their order. They are undone in the reverse order. Target is nil once it was deleted.
func (r *operationReconciler) preparations(op *opsv1alpha1.Operation, target *appsv1alpha1.ApplicationInstance) []preparation {
	var all []preparation
	if op.Spec.Type == opsv1alpha1.TypeRestore {
		all = append(all, suspension{target})
	}
	if quiesces(op) {
		all = append(all, quiesce{target: target, registry: r.registry})
	}
	return all
}

// unprepared is the first thing that keeps a preparation from being done.
func (r *operationReconciler) unprepared(ctx context.Context, v *visit, f facts) (*blocker, error) {
	for _, p := range r.preparations(f.op, f.target) {
		if b, err := p.blocker(ctx, v); b != nil || err != nil {
			return b, err
		}
	}
	return nil, nil
}

// prepare does what is to be done before the engine starts, and tells whether it is all done.
func (r *operationReconciler) prepare(ctx context.Context, v *visit, run engines.Run) (bool, error) {
	for _, p := range r.preparations(v.op, run.Target) {
		note := v.preparation(p.name())
		if note == nil {
			v.op.Status.Preparations = append(v.op.Status.Preparations, opsv1alpha1.Preparation{
				Name: p.name(), State: opsv1alpha1.PreparationStarted, StartedAt: v.moment(), Settings: p.settings(),
			})
			if err := v.write(ctx); err != nil {
				return false, err
			}
			note = v.preparation(p.name())
		}
		if note.State != opsv1alpha1.PreparationStarted {
			continue
		}
		done, refused, err := p.do(ctx, v, note)
		switch {
		case err != nil:
			return false, v.notApplied(fmt.Errorf("%s: %w", p.name(), err))
		case refused != nil:
			v.end(opsv1alpha1.PhaseFailed, refused.reason, refused.message)
			return false, nil
		case !done:
			if v.idle = v.preparation(p.name()).TriedAt != nil; !v.idle { // else the message says why
				v.to().Run(opsv1alpha1.ReasonPreparing, "preparing the target: "+p.name())
			}
			v.lookAgain(time.Second)
			return false, nil
		}
		note = v.preparation(p.name())
		note.State, note.TriedAt = opsv1alpha1.PreparationDone, nil
		// It may have taken minutes. The write is refused when the run was cancelled meanwhile, and it must not be done again beside an engine at work.
		if err := v.write(ctx); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (v *visit) preparation(name string) *opsv1alpha1.Preparation {
	for i := range v.op.Status.Preparations {
		if v.op.Status.Preparations[i].Name == name {
			return &v.op.Status.Preparations[i]
		}
	}
	return nil
}

// toUndo tells whether anything prepared has not been put back.
func (v *visit) toUndo() bool {
	return slices.ContainsFunc(v.op.Status.Preparations, func(p opsv1alpha1.Preparation) bool { return p.State != opsv1alpha1.PreparationUndone })
}

// ended tells whether the run has ended, though it may not have been announced.
func (v *visit) ended() bool { return v.terminal() || v.op.Status.Verdict != nil }

// end ends the run, or, when something has to be put back first, writes down how it ended: the executor is not asked a second time.
func (v *visit) end(phase opsv1alpha1.OperationPhase, reason, message string) {
	if !v.toUndo() {
		v.to().End(phase, reason, message)
		return
	}
	v.op.Status.Verdict = &opsv1alpha1.Verdict{
		Phase: phase, Reason: reason, Message: opsv1alpha1.Truncate(message, opsv1alpha1.MaxMessage), Time: v.moment(),
	}
	v.to().Run(opsv1alpha1.ReasonPuttingBack, fmt.Sprintf("putting back what was prepared; then %s: %s", phase, message))
	v.lookAgain(time.Millisecond)
}

// putBack undoes what was prepared, in reverse, and then ends the run by its verdict.
func (r *operationReconciler) putBack(ctx context.Context, v *visit) error {
	target, err := v.target(ctx, v.op.Namespace, v.op.Spec.TargetRef.Name)
	if err != nil {
		return err
	}
	all := r.preparations(v.op, target)
	slices.Reverse(all)
	for _, p := range all {
		note := v.preparation(p.name())
		if note == nil || note.State == opsv1alpha1.PreparationUndone {
			continue
		}
		if note.UndoStartedAt == nil {
			begun := v.moment()
			note.UndoStartedAt = &begun
			if err := v.write(ctx); err != nil {
				return err
			}
			note = v.preparation(p.name())
		}
		done, err := p.undo(ctx, v, note)
		note = v.preparation(p.name())
		cause := orPending(err, note)
		var never *neverPutBack
		switch {
		case err == nil && done:
			note.State, note.Message, note.TriedAt = opsv1alpha1.PreparationUndone, "", nil
		case errors.As(err, &never):
			note.State, note.Message = opsv1alpha1.PreparationUndone, opsv1alpha1.Truncate("not put back: "+never.why, opsv1alpha1.MaxMessage)
		case v.now.Sub(note.UndoStartedAt.Time) >= undoDeadline: // when the attempt began, however long it took
			note.State = opsv1alpha1.PreparationUndone
			note.Message = opsv1alpha1.Truncate(fmt.Sprintf("not put back within %s: %v", undoDeadline, cause), opsv1alpha1.MaxMessage)
		default:
			note.Message = opsv1alpha1.Truncate(cause, opsv1alpha1.MaxMessage)
			v.lookAgain(time.Second)
			return err
		}
	}
	v.announce()
	return nil
}

// orPending is why something is not put back yet: the error, or the one before while it is not tried.
func orPending(err error, note *opsv1alpha1.Preparation) string {
	if err == nil {
		return cmp.Or(note.Message, "not done yet")
	}
	return err.Error()
}

// neverPutBack is why something will not be put back, however often it is tried.
type neverPutBack struct{ why string }

func (e *neverPutBack) Error() string { return e.why }

// announce makes the verdict the end. What could not be put back is worse than anything that the verdict may say.
func (v *visit) announce() {
	verdict := v.op.Status.Verdict
	var left []string
	for _, p := range v.op.Status.Preparations {
		if p.Message != "" {
			left = append(left, p.Name+" was "+p.Message)
		}
	}
	if len(left) == 0 {
		v.to().End(verdict.Phase, verdict.Reason, verdict.Message)
		return
	}
	v.to().End(opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNotPutBack,
		fmt.Sprintf("%s; the run itself ended as %s (%s): %s", strings.Join(left, "; "), verdict.Phase, verdict.Reason, verdict.Message))
}
