// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/catalog"
)

// approved wants those to have agreed who have to.
func approved(f facts) *blocker {
	_, b := decide(f)
	return b
}

// decide about an approval; it is nil where nobody has to agree.
//
// A claim must name the Operation by its UID here. One that is bound to a digest alone counts once, and that it was used would have to be kept where
// nobody else writes; an agent has no such place, and the claim could be used on every cluster that has the key.
func decide(f facts) (*approvals.Approval, *blocker) {
	if !approvals.Required(f.op, f.asked()) {
		return nil, nil
	}
	given := *f.op
	given.Spec.Parameters = f.given
	approval, missing := approvals.Decide(&given, f.asked(), f.approvals, f.now)
	switch {
	case missing != nil:
		return nil, &blocker{reason: missing.Reason, message: missing.Message}
	case approval.Claim != nil && approval.Claim.Once:
		return nil, blocked(opsv1alpha1.ReasonApprovalInvalid, "spec.approvals.claim: it has no uid, and a claim for a digest alone counts on the hub only: sign one with uid %s", f.op.UID)
	}
	return approval, nil
}

// asked is the policy of the template, unless the Operation that this one lies below was approved. What the Operation itself asks for holds all the same.
func (f facts) asked() opsv1alpha1.ApprovalPolicy {
	if f.above {
		return opsv1alpha1.ApprovalPolicy{}
	}
	return f.approvalPolicy
}

// agreed reads anew what the approval of an Operation rests on, immediately before the fence: it may have taken a while to get there. It remembers the
// approval for the fence to write down.
func (r *operationReconciler) agreed(ctx context.Context, v *visit, f facts) (*blocker, error) {
	if err := r.askAbout(ctx, v, &f); err != nil {
		return nil, err
	}
	approval, b := decide(f)
	v.approval = approval
	return b, nil
}

// agreedBelow is agreed for an Operation that is expanded: whatever it may be expanded into is asked for here, once, before any of it is made. What it
// may be is told by the catalog as on the hub; where that says nothing, each of those below asks for itself.
func (r *operationReconciler) agreedBelow(ctx context.Context, v *visit) (*blocker, error) {
	f := facts{op: v.op, given: v.op.Spec.Parameters}
	if !r.delivered(v.op) {
		var templates opsv1alpha1.OperationTemplateList
		if err := v.List(ctx, &templates, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("read the catalog: %w", err)
		}
		choice, _ := r.book.Find(catalog.Request{Operation: v.op, Engine: v.op.Spec.Engine}, templates.Items)
		f.approvalPolicy = catalog.Approval(choice.Entries...)
	}
	return r.agreed(ctx, v, f)
}

// askAbout reads what an approval rests on, past every cache: keys are not kept in memory, and a key that was taken away counts no more.
func (r *operationReconciler) askAbout(ctx context.Context, v *visit, f *facts) (err error) {
	f.now = v.clock.Now()
	if !approvals.Required(f.op, f.approvalPolicy) {
		return nil
	}
	if f.above, err = r.agreedAbove(ctx, v, f.approvalPolicy); err != nil || !approvals.Required(f.op, f.asked()) {
		return err
	}
	switch {
	case approvals.ByClaim(f.op):
		f.approvals.Keys, f.approvals.NoKeys, err = v.keys(ctx, client.ObjectKey{Namespace: r.agentNamespace, Name: r.approvalKeys})
	case approvals.ByName(f.op):
		f.approvals.Unguarded, err = v.unguarded(ctx)
	}
	return err
}

// agreedAbove tells whether an Operation runs by an approval that is not its own: what the hub delivers was approved there, and what was expanded
// runs by the approval of its parent, if that satisfies the policy. A label alone proves nothing: the parent has to be there.
func (r *operationReconciler) agreedAbove(ctx context.Context, v *visit, policy opsv1alpha1.ApprovalPolicy) (bool, error) {
	if v.op.Labels[opsv1alpha1.LabelParent] == "" {
		return r.delivered(v.op), nil
	}
	parent, err := expandedFrom(ctx, v.live, v.op)
	if parent == nil || err != nil {
		return false, err
	}
	return r.delivered(parent) || covers(parent, policy), nil
}

// delivered tells whether an Operation came from the hub: nobody but the executor and the cluster's administrators writes where those arrive.
func (r *operationReconciler) delivered(op *opsv1alpha1.Operation) bool {
	return op.Namespace == r.agentNamespace && op.Labels[opsv1alpha1.LabelRoot] != "" && op.Labels[opsv1alpha1.LabelParent] == ""
}

// covers tells whether the approval of an Operation is one that a policy asks for of what lies below.
func covers(parent *opsv1alpha1.Operation, policy opsv1alpha1.ApprovalPolicy) bool {
	given, requester := parent.Status.Approval, parent.Annotations[opsv1alpha1.AnnotationRequestedBy]
	return given != nil && (!policy.FourEyes || requester != "" && requester != given.By)
}

// keys of the Secret, or why there are none.
func (s *site) keys(ctx context.Context, name client.ObjectKey) (keys approvals.Keys, why string, err error) {
	var secret corev1.Secret
	switch err := s.live.Get(ctx, name, &secret); {
	case apierrors.IsNotFound(err):
		return nil, fmt.Sprintf("there is no Secret %s with the keys: create it (docs/how-to/approve.md)", name), nil
	case apierrors.IsForbidden(err):
		return nil, fmt.Sprintf("the agent may not get the Secret %s: give it the Role vworkspace-agent of its chart", name), nil
	case err != nil:
		return nil, "", fmt.Errorf("read the keys of approvals: %w", err)
	}
	return approvals.ParseKeys(secret.Data), "", nil
}

// unguarded says why spec.approvals.approvedBy cannot be believed on this cluster.
func (s *site) unguarded(ctx context.Context) (string, error) {
	policy, binding := &admissionregistrationv1.ValidatingAdmissionPolicy{}, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
	for _, obj := range []client.Object{policy, binding} {
		switch err := s.live.Get(ctx, client.ObjectKey{Name: approvals.Policy}, obj); {
		case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
			return approvals.Unguarded(nil, nil), nil
		case err != nil:
			return "", fmt.Errorf("look for what guards approvals: %w", err)
		}
	}
	return approvals.Unguarded(policy, binding), nil
}
