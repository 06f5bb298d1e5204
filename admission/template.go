// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
)

// ValidTemplate is the rule for OperationTemplates: one that makes no sense is refused with all that is wrong, rather than found to be wrong by the first
// Operation that follows it.
func ValidTemplate(_ context.Context, _ *admissionv1.AdmissionRequest, o client.Object) field.ErrorList {
	template, isTemplate := o.(*opsv1alpha1.OperationTemplate)
	if !isTemplate {
		return nil
	}
	_, wrong := catalog.Compile(template)
	return wrong
}
