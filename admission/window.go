// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"encoding/json"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// SoundWindow is the rule that an Operation's maintenance window makes sense, also when it is changed while the Operation waits or runs.
func SoundWindow(_ context.Context, q Question) field.ErrorList {
	op, isOperation := q.Object.(*opsv1alpha1.Operation)
	if !isOperation {
		return nil
	}
	var old opsv1alpha1.Operation
	if err := json.Unmarshal(q.Request.OldObject.Raw, &old); err == nil && equality.Semantic.DeepEqual(old.Spec.MaintenanceWindow, op.Spec.MaintenanceWindow) {
		return nil // whoever changes something else has not brought it
	}
	return placement.ValidateWindow(op.Spec)
}
