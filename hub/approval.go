// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
)

// approvalAgain is how soon an Operation is looked at again whose approval is not good: the keys may change, a claim may become valid, and
// nobody watches either. What is changed in the Operation itself is seen at once.
const approvalAgain = 30 * time.Second

// agreed tells whether everybody who has to agree has; the approval is nil where nobody has to. When not, the status says what is missing. Nothing is
// used up by asking: see useApproval.
func (r *OperationReconciler) agreed(ctx context.Context, p *pass, policy opsv1alpha1.ApprovalPolicy) (*approvals.Approval, bool, error) {
	if !approvals.Required(p.op, policy) {
		return nil, true, nil
	}
	evidence, err := r.evidence(ctx, p.op)
	if err != nil {
		return nil, false, err
	}
	approval, missing := approvals.Decide(p.op, policy, evidence, r.Clock.Now())
	if missing != nil {
		p.lacks(*missing)
		return nil, false, nil
	}
	return approval, true, nil
}

// useApproval verifies once more, and uses up a claim that counts once. Between this and the fence nothing else happens, and the fence is refused when
// anything about the Operation has changed.
func (r *OperationReconciler) useApproval(ctx context.Context, p *pass, policy opsv1alpha1.ApprovalPolicy) (*approvals.Approval, bool, error) {
	approval, agreed, err := r.agreed(ctx, p, policy)
	if err != nil || !agreed || approval == nil || approval.Claim == nil || !approval.Claim.Once {
		return approval, agreed, err
	}
	missing, err := r.useClaim(ctx, p.op, approval.Claim)
	if err != nil {
		return nil, false, fmt.Errorf("record that the approval is used: %w", err)
	}
	if missing != nil {
		p.lacks(*missing)
		return nil, false, nil
	}
	return approval, true, nil
}

// useClaim records that a claim is used, which can be done for one Operation only, and any number of times for that one.
func (r *OperationReconciler) useClaim(ctx context.Context, op *opsv1alpha1.Operation, claim *approvals.Claim) (*approvals.Obstacle, error) {
	record := approvals.Record(r.Namespace, claim, op)
	err := r.Create(ctx, record)
	if !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	there, err := find(ctx, r.Live, client.ObjectKeyFromObject(record), &corev1.ConfigMap{})
	switch {
	case err != nil:
		return nil, err
	case there == nil:
		return nil, errors.New("the ConfigMap existed and is gone again")
	case !approvals.IsOf(there, op):
		return approvals.UsedBefore(there), nil
	}
	return nil, nil
}

// lacks says in the status what an approval lacks. A person is waited for without end; what nobody can add any more is not.
func (p *pass) lacks(o approvals.Obstacle) {
	if o.Reason == opsv1alpha1.ReasonRequesterUnknown {
		p.meet(obstacle{reason: o.Reason, message: o.Message})
		return
	}
	p.transition().Block(o.Reason, o.Message)
	if o.Reason != opsv1alpha1.ReasonAwaitingApproval {
		p.after(approvalAgain)
	}
}

// evidence is read past every cache: keys are not kept in memory, and a key that was taken away counts no more.
func (r *OperationReconciler) evidence(ctx context.Context, op *opsv1alpha1.Operation) (e approvals.Evidence, err error) {
	switch {
	case approvals.ByClaim(op):
		e.Keys, e.NoKeys, err = r.approvalKeys(ctx)
	case approvals.ByName(op):
		e.Unguarded, err = r.unguarded(ctx)
	}
	return e, err
}

func (r *OperationReconciler) approvalKeys(ctx context.Context) (keys approvals.Keys, why string, err error) {
	name := types.NamespacedName{Namespace: r.Namespace, Name: r.ApprovalKeys}
	secret, err := find(ctx, r.Live, name, &corev1.Secret{})
	switch {
	case apierrors.IsForbidden(err):
		return nil, fmt.Sprintf("the hub may not get the Secret %s: give it the Role vworkspace-hub-approvals of its chart", name), nil
	case err != nil:
		return nil, "", fmt.Errorf("read the keys of approvals: %w", err)
	case secret == nil:
		return nil, fmt.Sprintf("there is no Secret %s with the keys: create it (docs/how-to/approve.md)", name), nil
	}
	return approvals.ParseKeys(secret.Data), "", nil
}

// unguarded says why spec.approvals.approvedBy cannot be believed here.
func (r *OperationReconciler) unguarded(ctx context.Context) (string, error) {
	policy, err := find(ctx, r.Live, types.NamespacedName{Name: approvals.Policy}, &admissionregistrationv1.ValidatingAdmissionPolicy{})
	if err != nil && !meta.IsNoMatchError(err) { // Kubernetes before 1.30 has no such thing
		return "", fmt.Errorf("look for what guards approvals: %w", err)
	}
	binding, err := find(ctx, r.Live, types.NamespacedName{Name: approvals.Policy}, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{})
	if err != nil && !meta.IsNoMatchError(err) {
		return "", fmt.Errorf("look for what guards approvals: %w", err)
	}
	return approvals.Unguarded(policy, binding), nil
}

// unapproved says why spec.rollout.approvedGroups cannot be believed; empty when it can, or is not asked for.
func (r *OperationReconciler) unapproved(ctx context.Context, op *opsv1alpha1.Operation) (string, error) {
	if op.Spec.Rollout == nil || op.Spec.Rollout.Gate != opsv1alpha1.GatePerGroup || len(op.Spec.Rollout.ApprovedGroups) == 0 {
		return "", nil
	}
	return r.unguarded(ctx)
}
