// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/expressions"
)

// SoundExpressions is the rule of a hub that the expressions in an Operation's parameters can be read, and may yield what a parameter may be. What they come to
// is known when the plan is made.
func SoundExpressions(_ context.Context, q Question) field.ErrorList {
	op, isOperation := q.Object.(*opsv1alpha1.Operation)
	if !isOperation || q.Request.Operation != admissionv1.Create {
		return nil // parameters never change
	}
	_, errs := expressions.Read(op.Spec.Parameters)
	return errs
}

// NoExpressions is the rule of a cluster that nothing in an Operation's parameters is for a hub to fill in. What a hub delivers is filled in: what looks like an
// expression there is text.
func NoExpressions(_ context.Context, q Question) field.ErrorList {
	op, isOperation := q.Object.(*opsv1alpha1.Operation)
	if !isOperation || q.Request.Operation != admissionv1.Create {
		return nil
	}
	return expressions.Unfilled(op)
}
