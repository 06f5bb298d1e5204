// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/expressions"
	"vworkspace.io/fleet/placement"
)

// execute takes an Operation on one instance as far as it goes now. Every step may be the first one that a new process takes.
func (r *operationReconciler) execute(ctx context.Context, v *visit) error {
	fenced := false
	if !v.running() {
		started, err := r.begin(ctx, v)
		if err != nil || !started {
			return err
		}
		fenced = true
	}
	if v.op.Status.Verdict != nil {
		return r.putBack(ctx, v)
	}
	engine, err := r.registry.Get(v.op.Status.Engine)
	if err != nil {
		// Only an agent that lost an engine between two versions gets here, and nobody else can say how the run ended.
		v.end(opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost, fmt.Sprintf("the run was started by another version of the agent: %v", err))
		return nil
	}
	run, err := v.run(ctx)
	if err != nil {
		return err
	}
	if !run.Applied() && !v.stopping() {
		if !fenced {
			if err := v.confirm(ctx); err != nil {
				return err
			}
		}
		if ready, err := r.prepare(ctx, v, run); err != nil || !ready {
			return err
		}
		if err := r.apply(ctx, v, engine, run); err != nil || v.ended() {
			return err
		}
	}
	return r.observe(ctx, v, engine, run)
}

// run is what engines get to see. Its Operation is the one in hand, so that they see what was recorded a moment ago.
func (v *visit) run(ctx context.Context) (engines.Run, error) {
	target, err := v.target(ctx, v.op.Namespace, v.op.Spec.TargetRef.Name)
	return engines.Run{Operation: v.op, Target: target, Cluster: v.name}, err
}

// start checks everything that has to hold, and sets the fence. It tells whether the run has started.
func (r *operationReconciler) start(ctx context.Context, v *visit) (bool, error) {
	if wrong := r.malformed(v.op); wrong != "" {
		v.to().Reject(wrong)
		return false, nil
	}
	if b, err := v.parked(ctx); b != nil || err != nil {
		v.hold(b)
		return false, err
	}
	f, changes, err := r.gather(ctx, v)
	if err != nil {
		return false, err
	}
	if v.hopeless(f) {
		return false, nil
	}
	v.accept()
	if f.engine != nil {
		v.op.Status.Engine = f.engine.Name()
	}
	switch b := firstBlocker(f); {
	case b == nil:
	case v.op.Spec.DryRun && !countsAgainstDeadline(b.reason):
		v.to().Succeed(opsv1alpha1.ReasonDryRun, wouldWait+b.message)
		return false, nil
	default:
		v.hold(b)
		return false, nil
	}
	if b, err := r.unready(ctx, v, f, changes); b != nil || err != nil {
		v.hold(b)
		return false, err
	}
	if f.plan != nil {
		return false, fmt.Errorf("plan: %w", f.plan)
	}
	if v.op.Spec.DryRun {
		v.to().Succeed(opsv1alpha1.ReasonDryRun, describe(v.site, changes))
		return false, nil
	}
	return r.startAlone(ctx, v, f)
}

// hopeless ends a run that can never start.
func (v *visit) hopeless(f facts) bool {
	var invalid *engines.InvalidError
	switch {
	case errors.As(f.plan, &invalid):
		v.to().RejectBecause(cmp.Or(invalid.Reason, opsv1alpha1.ReasonValidationFailed), invalid.Error())
		return true
	case f.problem != nil && f.problem.Final:
		v.to().RejectBecause(f.problem.Reason, f.problem.Message)
		return true
	}
	return false
}

// unready is what the API server says that the run lacks: rights of its profile, or what its preparations need.
func (r *operationReconciler) unready(ctx context.Context, v *visit, f facts, changes []engines.Change) (*blocker, error) {
	if b, err := v.unequipped(ctx, profileOf(v.op), changes); b != nil || err != nil {
		return b, err
	}
	return r.unprepared(ctx, v, f)
}

// startAlone sets the fence unless another Operation on the target goes first. The cache was good enough to find a reason to wait; that there
// is none is asked of the API server, while nobody else can start on the same target.
func (r *operationReconciler) startAlone(ctx context.Context, v *visit, f facts) (bool, error) {
	var err error
	if f.policy, err = policy(ctx, v.live); err != nil {
		return false, err
	}
	if f.frozen, err = v.frozen(ctx, v.live); err != nil {
		return false, err
	}
	for _, rule := range ownersRules {
		if b := rule(f); b != nil {
			v.hold(b)
			return false, nil
		}
	}
	if err := r.current(ctx, v, f); err != nil {
		return false, err
	}
	unlock := r.locks.lock(targetKey{v.name, types.NamespacedName{Namespace: v.op.Namespace, Name: f.target.Name}})
	defer unlock()
	var all opsv1alpha1.OperationList
	if err := v.live.List(ctx, &all, client.InNamespace(v.op.Namespace)); err != nil {
		return false, fmt.Errorf("look for Operations on the same target: %w", err)
	}
	f.rival = rival(v.op, all.Items)
	if b := noConflict(f); b != nil {
		v.hold(b)
		return false, nil
	}
	if refused, err := r.irreversible(ctx, v); refused != nil || err != nil {
		return false, v.failed(refused, err)
	}
	if b, err := r.agreed(ctx, v, f); err != nil {
		return false, err
	} else if b != nil {
		v.hold(b)
		return false, nil
	}
	b, err := r.inTurn(ctx, v, func() error {
		return v.fence(ctx, opsv1alpha1.ReasonEngineStarted, fmt.Sprintf("starting on engine %s", f.engine.Name()))
	})
	if b != nil {
		v.hold(b)
	}
	return b == nil && err == nil, err
}

// gather reads the facts, in an order in which each may depend on the ones before, and stops where one makes the next impossible.
func (r *operationReconciler) gather(ctx context.Context, v *visit) (f facts, changes []engines.Change, err error) {
	if f, err = v.localFacts(ctx, v.op); err != nil || !f.gated {
		return f, nil, err
	}
	f.given = v.op.Spec.Parameters
	if err := v.aim(ctx, &f); err != nil || f.target == nil || f.chart != nil {
		return f, nil, err
	}
	if err := r.follow(ctx, v, &f); err != nil || f.template == nil || f.plan != nil {
		return f, nil, err
	}
	if err := v.unmet(ctx, &f); err != nil || f.unmet != nil {
		return f, nil, err
	}
	if f.absent, err = v.absentKind(ctx, f.engine, v.op); err != nil || f.absent != "" {
		return f, nil, err
	}
	f.approvalPolicy = catalog.Approval(f.template)
	if err := r.askAbout(ctx, v, &f); err != nil {
		return f, nil, err
	}
	run := engines.Run{Operation: v.op, Target: f.target, Cluster: v.name}
	if changes, f.plan = f.engine.Plan(ctx, v.live, run); f.plan == nil {
		f.pods, f.plan = v.lookAhead(ctx, f.engine, run, changes)
	}
	f.disagree(v.op)
	f.rival, err = v.rivalOn(ctx, f.target)
	return f, changes, err
}

// rivalOn is who works on the same target and goes first, as far as the cache knows.
func (v *visit) rivalOn(ctx context.Context, target *appsv1alpha1.ApplicationInstance) (*opsv1alpha1.Operation, error) {
	var others opsv1alpha1.OperationList
	if err := v.List(ctx, &others, client.InNamespace(v.op.Namespace), client.MatchingFields{indexTarget: target.Name}); err != nil {
		return nil, fmt.Errorf("look for Operations on the same target: %w", err)
	}
	return rival(v.op, others.Items), nil
}

// aim reads the target, and what its chart says of it where that counts.
func (v *visit) aim(ctx context.Context, f *facts) (err error) {
	if f.target, err = v.target(ctx, v.op.Namespace, v.op.Spec.TargetRef.Name); err != nil || f.target == nil {
		return err
	}
	return v.charted(ctx, f)
}

// localFacts are what the cluster's owner, the namespace's, and whoever froze the cluster have decided.
func (v *visit) localFacts(ctx context.Context, op *opsv1alpha1.Operation) (facts, error) {
	f := facts{op: op, agentNamespace: v.agentNamespace}
	var err error
	if f.policy, err = policy(ctx, v); err != nil {
		return f, err
	}
	if f.frozen, err = v.frozen(ctx, v); err != nil {
		return f, err
	}
	var ns corev1.Namespace
	if err := v.Get(ctx, client.ObjectKey{Name: op.Namespace}, &ns); err != nil {
		return f, client.IgnoreNotFound(err)
	}
	f.gated, f.podLevel = isGated(&ns), podLevel(ns.Labels)
	return f, nil
}

// malformed says what is wrong with an Operation that makes no sense on any cluster, or nothing.
func (r *operationReconciler) malformed(op *opsv1alpha1.Operation) string {
	if wrong := append(expressions.Unfilled(op), placement.ValidateWindow(op.Spec)...); len(wrong) > 0 {
		return wrong.ToAggregate().Error()
	}
	return r.unknownEngine(op)
}

// unknownEngine says that spec.engine names an engine that this agent does not have, or nothing.
func (r *operationReconciler) unknownEngine(op *opsv1alpha1.Operation) string {
	if op.Spec.Engine == "" {
		return ""
	}
	if _, err := r.registry.Get(op.Spec.Engine); err != nil {
		return "spec.engine: " + err.Error()
	}
	return ""
}

// engineFor is the engine of that name; nil when this agent does not have it.
func (r *operationReconciler) engineFor(name opsv1alpha1.OperationEngine) engines.Engine {
	if engine, err := r.registry.Get(name); err == nil {
		return engine
	}
	return nil
}

// absentKind is the first of the kinds that an Operation needs and the cluster does not serve, or "".
func (s *site) absentKind(ctx context.Context, engine engines.Engine, op *opsv1alpha1.Operation) (string, error) {
	needed := engine.Kinds()
	if c, ok := engine.(engines.Chooser); ok {
		needed = c.Needs(op)
	}
	for _, obj := range needed {
		served, err := s.kinds.servedNow(ctx, obj)
		if err != nil {
			return "", err
		}
		if !served {
			gvk, err := apiutil.GVKForObject(obj, s.Scheme())
			return gvk.GroupKind().String(), err
		}
	}
	return "", nil
}
