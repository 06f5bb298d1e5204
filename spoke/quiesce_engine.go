// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// quiesceEngine runs each step as a RunCommand of an engine, beside the run itself: with names and a record of its own, and by the same rules.
// What it makes goes with the Operation.
type quiesceEngine struct {
	target     *appsv1alpha1.ApplicationInstance
	engine     engines.Engine
	parameters map[quiesceStep]*runtime.RawExtension
	timeout    time.Duration
}

// repeatable: the run has happened, and its names are taken.
func (e quiesceEngine) repeatable() bool { return false }

// run of a step, as its engine gets to see it.
func (e quiesceEngine) run(v *visit, s quiesceStep) engines.Run {
	op := v.op.DeepCopy()
	op.Spec.Type, op.Spec.Engine, op.Spec.Parameters = opsv1alpha1.TypeRunCommand, e.engine.Name(), e.parameters[s]
	op.Spec.Timeout, op.Spec.Cancel, op.Spec.DryRun = nil, false, false
	op.Status = opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseRunning, Engine: e.engine.Name(), StartedAt: v.op.Status.StartedAt}
	if made := e.made(v, s); made != nil {
		op.Status.Resources = *made
	}
	return engines.Run{Operation: op, Target: e.target, Cluster: v.name, Step: string(s)}
}

// made is the record of a step; nil before there is one. A write of the status moves it.
func (e quiesceEngine) made(v *visit, s quiesceStep) *[]opsv1alpha1.ResourceRef {
	note := v.preparation(quiesce{}.name())
	switch {
	case note == nil:
		return nil
	case s == stepQuiesce:
		return &note.Resources
	default:
		return &note.UndoResources
	}
}

func (e quiesceEngine) blocker(ctx context.Context, v *visit) (*blocker, error) {
	for _, s := range quiesceSteps {
		run := e.run(v, s)
		absent, err := v.absentKind(ctx, e.engine, run.Operation)
		if err != nil {
			return nil, err
		}
		if absent != "" {
			return blocked(opsv1alpha1.ReasonEngineNotInstalled, "engine %s, which is to quiesce the application, needs %s, which this cluster does not serve: install it",
				e.engine.Name(), absent), nil
		}
		changes, err := e.engine.Plan(ctx, v.live, run)
		var local *blocker
		if err == nil {
			local, err = e.notAllowed(ctx, v, run, changes)
		}
		var invalid *engines.InvalidError
		var b *engines.BlockedError
		switch {
		case errors.As(err, &invalid):
			return blocked(opsv1alpha1.ReasonCapabilityMissing, "ApplicationInstance %s: annotation %s does not fit engine %s: %s", e.target.Name,
				parameterKeys[s], e.engine.Name(), strings.ReplaceAll(invalid.Error(), engines.ParametersPath().String()+".", "")), nil
		case errors.As(err, &b):
			return blocked(b.Reason, "engine %s is to %s the application: %s", e.engine.Name(), s, b.Message), nil
		case err != nil:
			return nil, fmt.Errorf("plan the %s: %w", s, err)
		case local != nil:
			return blocked(local.reason, "engine %s is to %s the application: %s", e.engine.Name(), s, local.message), nil
		}
		if b, err := v.unequipped(ctx, profileOf(run.Operation), changes); b != nil || err != nil {
			return b, err
		}
	}
	return nil, nil
}

// notAllowed is what the cluster's owner has against a step.
func (e quiesceEngine) notAllowed(ctx context.Context, v *visit, run engines.Run, changes []engines.Change) (*blocker, error) {
	f, err := v.localFacts(ctx, run.Operation)
	if err != nil {
		return nil, err
	}
	f.engine = e.engine
	if b := engineAllowed(f); b != nil {
		return b, nil
	}
	f.pods, err = v.lookAhead(ctx, e.engine, run, changes)
	return podsAllowed(f), err
}

func (e quiesceEngine) perform(ctx context.Context, v *visit, s quiesceStep) (bool, string, error) {
	if run := e.run(v, s); !run.Applied() {
		if failure, err := e.begin(ctx, v, s, run); err != nil || failure != "" {
			return false, failure, err
		}
	}
	run := e.run(v, s)
	out, err := e.engine.Observe(ctx, v.reader(), run)
	switch {
	case err != nil:
		return false, "", fmt.Errorf("observe the %s: %w", s, err)
	case out.State == engines.StateSucceeded:
		return true, "", nil
	case out.State == engines.StateFailed:
		return false, fmt.Sprintf("the %s by engine %s failed (%s): %s", s, e.engine.Name(), out.Reason, out.Message), nil
	case s == stepQuiesce && e.overdue(v):
		return false, fmt.Sprintf("the %s by engine %s has not ended within %s: %s", s, e.engine.Name(), e.timeout, out.Message), nil
	case len(out.Next) > 0:
		return false, "", e.proceed(ctx, v, s, out, run)
	}
	return false, "", nil
}

// ownersReasons are those for which the owner of a cluster or a namespace refuses what was allowed when the run started, and may allow again.
var ownersReasons = []string{opsv1alpha1.ReasonLocalVeto, opsv1alpha1.ReasonPodNotRestricted}

// begin puts the step in place and records it. An unquiesce that is blocked waits until somebody has acted: nothing was made, so that it is no attempt.
func (e quiesceEngine) begin(ctx context.Context, v *visit, s quiesceStep, run engines.Run) (string, error) {
	changes, err := e.engine.Plan(ctx, v.live, run)
	var waits *engines.BlockedError
	if s == stepUnquiesce && errors.As(err, &waits) {
		return "", fmt.Errorf("the %s by engine %s cannot be started yet (%s): %w", s, e.engine.Name(), waits.Reason, err)
	}
	if refused := planRefused(err); refused != nil {
		return fmt.Sprintf("the %s by engine %s cannot be started (%s): %s", s, e.engine.Name(), refused.reason, refused.message), nil
	}
	if err != nil {
		return "", fmt.Errorf("plan the %s: %w", s, err)
	}
	recorded, refused, err := v.putAll(ctx, changes, run)
	switch {
	case err != nil:
		return "", fmt.Errorf("start the %s: %w", s, err)
	case refused != nil && s == stepUnquiesce && slices.Contains(ownersReasons, refused.reason):
		return "", fmt.Errorf("the %s by engine %s cannot be started yet (%s): %s", s, e.engine.Name(), refused.reason, refused.message)
	case refused != nil:
		return fmt.Sprintf("the %s by engine %s cannot be started (%s): %s", s, e.engine.Name(), refused.reason, refused.message), nil
	}
	*e.made(v, s) = recorded
	if s == stepUnquiesce {
		begun := v.moment() // it has undoDeadline to itself
		v.preparation(quiesce{}.name()).UndoStartedAt = &begun
	}
	return "", nil
}

// proceed is visit.proceed for a step.
func (e quiesceEngine) proceed(ctx context.Context, v *visit, s quiesceStep, out engines.Outcome, run engines.Run) error {
	if err := errors.Join(v.write(ctx), v.confirm(ctx)); err != nil {
		return err
	}
	added, refused, err := v.putAll(ctx, out.Next, run)
	if err := orRefused(err, refused); err != nil {
		return fmt.Errorf("go on with the %s: %w", s, err)
	}
	made := e.made(v, s)
	*made = append(*made, added...)
	return nil
}

// overdue tells whether the quiesce has taken too long. What it made is stopped before the application is woken up.
func (e quiesceEngine) overdue(v *visit) bool {
	left := v.preparation(quiesce{}.name()).StartedAt.Add(e.timeout).Sub(v.now)
	if left > 0 {
		v.lookAgain(left)
	}
	return left <= 0
}

// halt stops a quiesce that was given up. Its end is not awaited for longer than stopGrace: an application that is woken up too early is better than one
// that nobody wakes.
func (e quiesceEngine) halt(ctx context.Context, v *visit) (bool, error) {
	run := e.run(v, stepQuiesce)
	run.Operation.Status.Reason = opsv1alpha1.ReasonUserCancelled // that is how engines know not to go on with further steps
	if run.Applied() {
		out, err := e.engine.Observe(ctx, v.reader(), run)
		if err != nil {
			return false, fmt.Errorf("observe the quiesce: %w", err)
		}
		if out.State != engines.StateRunning {
			return true, nil
		}
	}
	if _, err := v.stop(ctx, e.engine, run); err != nil {
		return false, fmt.Errorf("stop the quiesce: %w", err)
	}
	if run.Applied() {
		return false, nil
	}
	return e.nothingThere(ctx, v, run)
}

// nothingThere tells whether a quiesce of which nothing was recorded has left nothing that is still being stopped.
func (e quiesceEngine) nothingThere(ctx context.Context, v *visit, run engines.Run) (bool, error) {
	changes, err := e.engine.Plan(ctx, v.live, run)
	if planRefused(err) != nil {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("plan the quiesce: %w", err)
	}
	for _, change := range changes {
		there := change.Object.DeepCopyObject().(client.Object)
		err := v.live.Get(ctx, client.ObjectKeyFromObject(change.Object), there)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return false, fmt.Errorf("look for what the quiesce made: %w", err)
		case there.GetLabels()[opsv1alpha1.LabelOperation] == string(run.UID()):
			return false, nil
		}
	}
	return true, nil
}
