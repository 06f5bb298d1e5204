// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

const (
	// partRollback tells the name of the Operation that puts a run back from other names that are derived from that run.
	partRollback = "rollback"
	// neededAgain is how soon a run whose time is up is looked at again that another one still needs, and namesakeAgain how soon a name that is taken.
	neededAgain, namesakeAgain = 5 * time.Second, 30 * time.Second
)

// A run with onBreach Rollback is put back in this order, so that it may be broken off anywhere:
//
//	its results are stored  ->  the inverse is created, under a name that follows from its UID  ->  status.rolledBackBy, with the end
//
// The inverse waits until it is named there, and only then is it believed to be the hub's own: see recall.

// rollsBack tells whether an Operation is put back when too much of it fails.
func rollsBack(op *opsv1alpha1.Operation) bool {
	return op.Spec.Rollout != nil && op.Spec.Rollout.OnBreach == opsv1alpha1.BreachRollback
}

// rollbackName is the name of the Operation that puts back what another one has changed.
func rollbackName(op *opsv1alpha1.Operation) string {
	return opsv1alpha1.RunName(op.Name, op.UID, partRollback)
}

// notBegun is the end of a cluster that a decision leaves out.
func notBegun(cluster string, d placement.Decision) placement.ClusterResult {
	result := placement.ClusterResult{
		Cluster: cluster, State: placement.Cancelled, Reason: opsv1alpha1.ReasonUserCancelled, Message: "cancelled before it was begun",
	}
	if d.RollBack {
		result.Reason, result.Message = opsv1alpha1.ReasonRollingBack, "not begun: being rolled back"
	}
	return result
}

// putBack makes the Operation that puts back what a run has changed, when that was decided and all results are stored, and says so in how the run ends. While it
// cannot be made, the run does not end.
func (r *OperationReconciler) putBack(ctx context.Context, p *pass, d placement.Decision) (placement.Decision, error) {
	if !d.RollBack || !d.Done {
		return d, nil
	}
	d.Phase = opsv1alpha1.PhaseFailed
	if !p.run.hasChanged() {
		d.Message = "nothing is put back, because nothing was changed: " + d.Message
		return d, nil
	}
	name := rollbackName(p.op)
	made, err := r.makeInverse(ctx, p.op)
	switch {
	case err != nil:
		d.Done, d.Message = false, fmt.Sprintf("cannot create Operation %s, which puts back what was changed: %v", name, err)
		return d, fmt.Errorf("create Operation %s: %w", name, err)
	case !made:
		d.Done, d.Hold = false, opsv1alpha1.ReasonNameConflict
		d.Message = fmt.Sprintf("Operation %s exists and was not made by this run: delete it, so that what was changed can be put back under that name; or cancel", name)
		p.after(namesakeAgain)
		return d, nil
	}
	p.op.Status.RolledBackBy = name
	d.Reason, d.Message = opsv1alpha1.ReasonRolledBack, fmt.Sprintf("put back by Operation %s: %s", name, d.Message)
	return d, nil
}

// hasChanged tells whether a run may have changed anything anywhere.
func (r *run) hasChanged() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.plan.Clusters(), func(c string) bool {
		result, _ := r.tally.Result(c)
		return result.MayHaveChanged()
	})
}

// makeInverse creates the Operation that puts a run back, or finds that it has been created; false when another one has its name. A run that has ended meanwhile,
// which this pass does not know, makes none: its inverse may have come and gone.
func (r *OperationReconciler) makeInverse(ctx context.Context, op *opsv1alpha1.Operation) (bool, error) {
	live, err := find(ctx, r.Live, client.ObjectKeyFromObject(op), &opsv1alpha1.Operation{})
	if err != nil {
		return false, err
	}
	if live == nil || live.UID != op.UID || live.Status.Phase.Terminal() {
		return false, apierrors.NewConflict(opsv1alpha1.GroupVersion.WithResource("operations").GroupResource(), op.Name, errors.New("it has ended"))
	}
	back := inverse(op)
	if r.Authorize {
		who, err := r.self.requester(ctx, r.Client)
		if err != nil {
			return false, err
		}
		for key, value := range who.Annotations() {
			back.Annotations[key] = value
		}
	}
	if err := r.Create(ctx, back); !apierrors.IsAlreadyExists(err) {
		return err == nil, err
	}
	there, err := find(ctx, r.Live, client.ObjectKeyFromObject(back), &opsv1alpha1.Operation{})
	switch {
	case err != nil:
		return false, err
	case there == nil:
		return false, errors.New("it existed and is gone again")
	}
	return r.madeByHub(ctx, there, op)
}

// inverse is the Operation that puts back what a run has changed: the same for the same run. It is rolled out in the same way, and when too much of it fails it
// is for a person to decide. Nobody is asked to approve it, group by group or in all: it brings back what was there before anybody had to agree.
func inverse(op *opsv1alpha1.Operation) *opsv1alpha1.Operation {
	spec := *op.Spec.DeepCopy()
	spec.RollbackOf = &opsv1alpha1.RollbackOfSpec{Name: op.Name, UID: string(op.UID)}
	spec.Parameters, spec.Approvals, spec.Retry, spec.RetryOf = nil, nil, nil, nil
	spec.ConcurrencyKey, spec.ConcurrencyPolicy = "", "" // others of the key would go first
	spec.Suspend, spec.Cancel, spec.DryRun, spec.DryRunScope = false, false, false, ""
	if spec.Placement != nil {
		spec.Placement.OnChange = opsv1alpha1.ChangeFreeze
	}
	if spec.Rollout != nil {
		spec.Rollout.OnBreach, spec.Rollout.Gate = opsv1alpha1.BreachHalt, opsv1alpha1.GateNone
		spec.Rollout.ApprovedGroups, spec.Rollout.PromotedGroups = nil, nil
	}
	if followed := op.Status.Template; followed != nil {
		spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: followed.Name}
	}
	back := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: op.Namespace, Name: rollbackName(op),
			Labels: map[string]string{
				opsv1alpha1.LabelOperation:  string(op.UID),
				appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane,
			},
			Annotations: map[string]string{},
		},
		Spec: spec,
	}
	if by := op.Annotations[opsv1alpha1.AnnotationRequestedBy]; by != "" {
		back.Annotations[opsv1alpha1.AnnotationOnBehalfOf] = by
	}
	return back
}

// madeByHub tells whether the hub has made an Operation to put back a run. The name follows from the run, and anybody may know it; who created an Operation, the
// API server has written down.
func (r *OperationReconciler) madeByHub(ctx context.Context, back, of *opsv1alpha1.Operation) (bool, error) {
	named := back.Spec.RollbackOf
	if named == nil || named.UID != string(of.UID) || back.Name != rollbackName(of) {
		return false, nil
	}
	return r.isOwn(ctx, back)
}

// neededYet tells whether an Operation whose time is up has to stay until the one that puts it back has a plan of its own.
func (r *OperationReconciler) neededYet(ctx context.Context, p *pass) (bool, error) {
	if p.op.Status.RolledBackBy == "" {
		return false, nil
	}
	back, err := find(ctx, r.Live, types.NamespacedName{Namespace: p.op.Namespace, Name: p.op.Status.RolledBackBy}, &opsv1alpha1.Operation{})
	if err != nil {
		return false, fmt.Errorf("read Operation %s: %w", p.op.Status.RolledBackBy, err)
	}
	if back == nil || !back.DeletionTimestamp.IsZero() || back.Status.Phase == opsv1alpha1.PhaseRunning || back.Status.Phase.Terminal() {
		return false, nil
	}
	p.after(neededAgain)
	return true, nil
}
