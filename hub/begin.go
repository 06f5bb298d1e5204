// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/placement"
)

// begin admits an Operation, plans it, and fences it. Nothing has left the hub before the fence is written.
func (r *OperationReconciler) begin(ctx context.Context, p *pass) error {
	if over, err := r.overBefore(ctx, p); err != nil || over {
		return err
	}
	if known, err := r.recall(ctx, p); err != nil || !known {
		return err
	}
	choice, err := r.allowed(ctx, p)
	if err != nil || len(choice.All()) == 0 {
		return err
	}
	if free, err := r.free(ctx, p); err != nil || !free {
		return err
	}
	policy := p.approval(choice)
	plan, ready, err := r.plan(ctx, p, choice)
	switch {
	case err != nil || !ready:
		return err
	case p.op.Spec.DryRun && !asksClusters(p.op):
		return r.foretell(ctx, p, choice, plan)
	default:
		return r.start(ctx, p, plan, policy)
	}
}

// start a run: all that has to be there before its fence, the last word of who agrees, and then the fence itself.
func (r *OperationReconciler) start(ctx context.Context, p *pass, plan placement.Plan, policy opsv1alpha1.ApprovalPolicy) error {
	// The cache was good enough to find a Freeze; that there is none is asked of the API server, while the plan is stored.
	var gate placement.Gate
	var g errgroup.Group
	if spec := p.op.Spec; !spec.DryRun {
		g.Go(func() (err error) {
			gate, err = frozen(ctx, r.Live, spec.Type, p.now)
			return err
		})
	}
	stored, err := r.secure(ctx, p, plan)
	if err = errors.Join(err, g.Wait()); err != nil {
		return err
	}
	if gate.Reason != "" {
		p.blockedBy(gate)
		p.after(cacheAgain) // a Freeze that the cache never sees ends without an event
		return nil
	}
	approval, agreed, err := r.useApproval(ctx, p, policy)
	if err != nil || !agreed {
		return err
	}
	p.fence(r.runs.of(p.op), plan, stored, approval)
	return nil
}

// overBefore tells whether an Operation ends before it has begun: it makes no sense, or was cancelled, or another one took its place.
func (r *OperationReconciler) overBefore(ctx context.Context, p *pass) (bool, error) {
	switch reason, message := r.refusal(p.op); {
	case reason == opsv1alpha1.ReasonValidationFailed:
		p.transition().Reject(message)
		return true, nil
	case reason != "":
		p.transition().Fail(reason, message)
		return true, nil
	case p.op.Spec.Cancel:
		p.transition().Cancel(opsv1alpha1.ReasonUserCancelled, "cancelled before anything was begun")
		return true, nil
	default:
		return r.superseded(ctx, p)
	}
}

// allowed are the templates that an Operation follows, when they take it, its requester may run them, and those have agreed who have to. None and no error means
// that something stands in the way, which is then in the status. It costs nothing that a plan costs.
func (r *OperationReconciler) allowed(ctx context.Context, p *pass) (catalog.Choice, error) {
	var none catalog.Choice
	choice, err := r.follow(ctx, p)
	if err != nil || len(choice.All()) == 0 {
		return none, err
	}
	// Both are asked of the API server, and neither answer depends on the other.
	var current, allowed bool
	var g errgroup.Group
	op := p.op
	g.Go(func() (err error) {
		current, err = r.current(ctx, op, choice)
		return err
	})
	// Before an approval is waited for: nobody is to be asked to approve what is not allowed.
	allowed, err = r.authorize(ctx, p, choice.All())
	switch err := errors.Join(err, g.Wait()); {
	case err != nil || !allowed:
		return none, err
	case !current:
		p.after(cacheAgain)
		return none, nil
	}
	if _, agreed, err := r.agreed(ctx, p, p.approval(choice)); err != nil || !agreed {
		return none, err
	}
	return choice, nil
}

// free tells whether nothing holds an Operation that may begin: neither a Freeze nor another one of its concurrencyKey. What does is in the status.
func (r *OperationReconciler) free(ctx context.Context, p *pass) (bool, error) {
	if p.op.Spec.DryRun {
		return true, nil
	}
	gate, err := frozen(ctx, r.Client, p.op.Spec.Type, p.now)
	if err != nil {
		return false, err
	}
	if gate.Reason != "" {
		p.blockedBy(gate)
		return false, nil
	}
	return r.turn(ctx, p)
}

// secure stores the plan, and puts the finalizer on, so that from the first ManifestWork on the Operation cannot disappear without its works being taken care
// of. Either does no harm without the other, or without the fence.
func (r *OperationReconciler) secure(ctx context.Context, p *pass, plan placement.Plan) (stored *opsv1alpha1.PlanStatus, err error) {
	held := p.stored.DeepCopy()
	var g errgroup.Group
	if controllerutil.AddFinalizer(held, opsv1alpha1.OperationFinalizer) {
		g.Go(func() error {
			return r.Patch(ctx, held, client.MergeFromWithOptions(p.stored, client.MergeFromWithOptimisticLock{}))
		})
	}
	stored, err = r.freeze(ctx, p.op, plan)
	if failed := g.Wait(); failed != nil {
		return nil, errors.Join(err, fmt.Errorf("add the finalizer: %w", failed))
	}
	status := p.op.Status
	p.stored, p.op = held, held.DeepCopy()
	p.op.Status = status
	return stored, err
}

// fence marks the Operation as running. The works follow in a later pass, when the fence has been accepted.
func (p *pass) fence(run *run, plan placement.Plan, stored *opsv1alpha1.PlanStatus, approval *approvals.Approval) {
	run.mu.Lock()
	if !run.loaded {
		run.begin(plan)
	}
	counts := run.tally.Clusters()
	run.mu.Unlock()
	p.op.Status.Plan = stored // never without the fence: see mustBeUnplanned
	message := fmt.Sprintf("planned for %d clusters", plan.Len())
	if approval != nil {
		p.op.Status.Approval = approval.Status(p.now)
		message += ", approved by " + approval.Approver
	}
	p.op.Status.Summary = &opsv1alpha1.Summary{Clusters: &counts}
	p.op.Status.SetProgress(counts)
	p.transition().Accept("")
	p.transition().Run(opsv1alpha1.ReasonRollingOut, message)
}
