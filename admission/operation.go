// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"encoding/json"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/placement"
)

// Follows is the rule that an Operation asks for what its template takes, in a namespace that may use it.
type Follows struct {
	// Required: one that no template allows is refused. It is stored, and waits, otherwise.
	Required bool
	// AgentNamespace is that of the agent which is asked; empty on a hub. On a cluster the template is each target's own, so that the rule speaks of those
	// alone that are named.
	AgentNamespace string

	book catalog.Book
}

// Rule that refuses what neither the hub nor any cluster would run. Where that depends on what only they know, they look.
func (f *Follows) Rule(ctx context.Context, q Question) field.ErrorList {
	op, isOperation := q.Object.(*opsv1alpha1.Operation)
	if !isOperation || q.Request.Operation != admissionv1.Create {
		return nil // what is asked for never changes
	}
	if wrong := f.wrong(ctx, q.Cache, op); len(wrong) == 0 {
		return nil
	}
	return f.wrong(ctx, q.Live, op) // nothing is refused for what has been put right since
}

func (f *Follows) wrong(ctx context.Context, c client.Reader, op *opsv1alpha1.Operation) field.ErrorList {
	instance, err := targetOf(ctx, c, op)
	switch ref := op.Spec.TemplateRef; {
	case err != nil:
		return nil
	case ref == nil && f.AgentNamespace != "":
		return nil
	case ref == nil && op.Spec.TargetRef != nil && op.Spec.Placement == nil && instance == nil:
		return nil // whose target is to come, may be for another template
	}
	list := &opsv1alpha1.OperationTemplateList{}
	if err := c.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	_, problem := f.book.Follow(catalog.NewRequest(op, instance), list.Items)
	spec := field.NewPath("spec")
	switch {
	case problem == nil:
		return nil
	case len(problem.Fields) > 0:
		return problem.Fields
	case problem.Reason == opsv1alpha1.ReasonNamespaceNotAllowed && op.Namespace != f.AgentNamespace: // from there it may reach the targets of others, who may use it
		return field.ErrorList{field.Forbidden(spec.Child("templateRef", "name"), problem.Message)}
	case problem.Reason == opsv1alpha1.ReasonNoTemplate && f.Required:
		return field.ErrorList{field.Forbidden(spec, problem.Message)}
	}
	return nil
}

// targetOf reads the instance that an Operation names; nil when there is none.
func targetOf(ctx context.Context, c client.Reader, op *opsv1alpha1.Operation) (*appsv1alpha1.ApplicationInstance, error) {
	if op.Spec.TargetRef == nil {
		return nil, nil
	}
	instance := &appsv1alpha1.ApplicationInstance{}
	err := c.Get(ctx, client.ObjectKey{Namespace: op.Namespace, Name: op.Spec.TargetRef.Name}, instance)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return instance, err
}

// SoundRollout is the rule that a rollout makes sense, also when it is changed while the Operation runs.
func SoundRollout(_ context.Context, q Question) field.ErrorList {
	op, isOperation := q.Object.(*opsv1alpha1.Operation)
	if !isOperation {
		return nil
	}
	var old opsv1alpha1.Operation
	if err := json.Unmarshal(q.Request.OldObject.Raw, &old); err == nil && equality.Semantic.DeepEqual(old.Spec.Rollout, op.Spec.Rollout) {
		return nil // whoever changes something else has not brought it
	}
	return placement.ValidateRollout(op.Spec)
}

// SoundClaim is the rule that an approval's claim, when it is written, is one that may count: it is signed with a key of the Secret, for this Operation, and has not
// expired. That it has not been used for another one is found out by using it.
func SoundClaim(keys client.ObjectKey, clock clock.PassiveClock) Rule {
	return func(ctx context.Context, q Question) field.ErrorList {
		op, isOperation := q.Object.(*opsv1alpha1.Operation)
		if !isOperation || !approvals.ByClaim(op) || op.Spec.DryRun {
			return nil // a dry run does nothing that anybody has to agree to
		}
		var old opsv1alpha1.Operation
		if err := json.Unmarshal(q.Request.OldObject.Raw, &old); err == nil && approvals.ByClaim(&old) && old.Spec.Approvals.Claim == op.Spec.Approvals.Claim {
			return nil // whoever changes something else has not brought it
		}
		var secret corev1.Secret
		if err := q.Live.Get(ctx, keys, &secret); err != nil {
			secret.Data = nil // what is no token at all is wrong without any key
		}
		_, err := approvals.Verify(op.Spec.Approvals.Claim, approvals.ParseKeys(secret.Data), op, clock.Now())
		if err == nil || approvals.MayBecomeGood(err) {
			return nil
		}
		at := field.NewPath("spec", "approvals", "claim")
		return field.ErrorList{field.Forbidden(at, strings.TrimPrefix(err.Error(), at.String()+": "))}
	}
}
