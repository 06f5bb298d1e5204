// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"

	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
)

// ValidTemplate is the rule for OperationTemplates: one that makes no sense is refused with all that is wrong, rather than found to be wrong by the first
// Operation that follows it.
func ValidTemplate(_ context.Context, q Question) field.ErrorList {
	template, isTemplate := q.Object.(*opsv1alpha1.OperationTemplate)
	if !isTemplate {
		return nil
	}
	_, wrong := catalog.Compile(template)
	return wrong
}
