// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/engines"
)

// quiesceRetry is how soon a step that could not be carried out, or an unquiesce that failed, is tried again.
const quiesceRetry = 5 * time.Second

// quiesce brings the application to rest before the engine starts and wakes it up after the run has ended.
//
// The target advertises how (api/ops/v1alpha1/quiesce.go). What it advertised when the step began is in the preparation's settings, and the
// application is woken up by them: an annotation that was changed or removed meanwhile must not leave it asleep.
type quiesce struct {
	target   *appsv1alpha1.ApplicationInstance
	registry *engines.Registry
}

// quiesceStep is one of the two.
type quiesceStep string

const (
	stepQuiesce   quiesceStep = "quiesce"
	stepUnquiesce quiesceStep = "unquiesce"
)

var quiesceSteps = []quiesceStep{stepQuiesce, stepUnquiesce}

// quiescer is one way to do it.
type quiescer interface {
	// blocker is what keeps it from being done, asked before the run starts.
	blocker(ctx context.Context, v *visit) (*blocker, error)
	// perform takes a step, or follows the one that was begun, and tells whether it is done. Failure is the application's word that it is not and
	// will not be; an error is that nobody could be asked.
	perform(ctx context.Context, v *visit, s quiesceStep) (done bool, failure string, err error)
	// halt sees to it that a quiesce that may still be at work does not outlast the unquiesce, and tells whether it has stopped.
	halt(ctx context.Context, v *visit) (bool, error)
	// repeatable tells whether a failed unquiesce can be tried again.
	repeatable() bool
}

// quiesces tells whether an Operation asks for it. One that asks wrongly never runs.
func quiesces(op *opsv1alpha1.Operation) bool {
	filled := &opsv1alpha1.Operation{Spec: opsv1alpha1.OperationSpec{Type: op.Spec.Type, Parameters: catalog.Filled(op)}}
	common, err := engines.CommonParameters(filled)
	return err == nil && common.Quiesce
}

func (quiesce) name() string { return "Quiesce" }

func (q quiesce) settings() map[string]string {
	if q.target == nil {
		return nil
	}
	all := maps.Clone(q.target.Annotations)
	maps.DeleteFunc(all, func(key, _ string) bool { return !slices.Contains(quiesceAnnotations, key) })
	return all
}

func (q quiesce) blocker(ctx context.Context, v *visit) (*blocker, error) {
	way, wrong := q.way(q.settings())
	if unknown := unknownSetting(q.target.Annotations); unknown != nil {
		wrong = unknown
	}
	if wrong != nil {
		return blocked(opsv1alpha1.ReasonCapabilityMissing, "ApplicationInstance %s: %s", q.target.Name, wrong.Error()), nil
	}
	return way.blocker(ctx, v)
}

func (q quiesce) do(ctx context.Context, v *visit, note *opsv1alpha1.Preparation) (bool, *refusal, error) {
	if q.target == nil {
		// Not done: it may be at work still, or not have been begun.
		return false, &targetGone, nil
	}
	way, wrong := q.way(note.Settings)
	if wrong != nil {
		return false, &refusal{opsv1alpha1.ReasonCapabilityMissing, "nothing was applied: " + wrong.Error()}, nil
	}
	if triedLately(v, note) {
		return false, nil, nil
	}
	done, failure, err := way.perform(ctx, v, stepQuiesce)
	switch {
	case err != nil:
		q.inVain(v)
		return false, nil, err
	case failure != "":
		return false, &refusal{opsv1alpha1.ReasonQuiesceFailed, "nothing was applied, because the application could not be quiesced: " + failure}, nil
	}
	v.preparation(q.name()).TriedAt = nil
	return done, nil, nil
}

func (q quiesce) undo(ctx context.Context, v *visit, note *opsv1alpha1.Preparation) (bool, error) {
	way, wrong := q.way(note.Settings)
	if wrong != nil {
		return unreadable(note, wrong)
	}
	if triedLately(v, note) {
		return false, nil
	}
	// On the word of a stale status an application would be woken up that another run has quiesced since.
	if err := v.confirm(ctx); err != nil {
		return false, err
	}
	if note.State != opsv1alpha1.PreparationDone && len(note.UndoResources) == 0 {
		halted, err := way.halt(ctx, v)
		if (err != nil || !halted) && v.now.Sub(note.UndoStartedAt.Time) < stopGrace {
			return false, err
		}
	}
	done, failure, err := way.perform(ctx, v, stepUnquiesce)
	switch {
	case err != nil:
		q.inVain(v)
		return false, err
	case failure != "" && !way.repeatable():
		return false, &neverPutBack{failure}
	case failure != "":
		q.inVain(v)
		return false, errors.New(failure)
	}
	return done, nil
}

// unreadable is what becomes of settings that cannot be followed: nothing was done by them, unless another version of the agent could.
func unreadable(note *opsv1alpha1.Preparation, wrong *settingError) (undone bool, err error) {
	if note.State == opsv1alpha1.PreparationDone {
		return false, &neverPutBack{wrong.Error()}
	}
	return true, nil
}

// inVain notes the time, which is kept between attempts whatever brings the next visit.
func (q quiesce) inVain(v *visit) {
	tried := v.moment()
	v.preparation(q.name()).TriedAt = &tried
}

func triedLately(v *visit, note *opsv1alpha1.Preparation) bool {
	return note.TriedAt != nil && v.now.Sub(note.TriedAt.Time) < quiesceRetry
}

// settingError says what is wrong with an annotation, and what would be right.
type settingError struct {
	annotation string
	why        string
}

func (e *settingError) Error() string { return fmt.Sprintf("annotation %s %s", e.annotation, e.why) }

func misset(annotation, format string, args ...any) *settingError {
	return &settingError{annotation, fmt.Sprintf(format, args...)}
}
