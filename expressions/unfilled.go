// SPDX-License-Identifier: Apache-2.0

package expressions

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Unfilled says that an Operation which was made on a cluster has an expression that a hub would fill in; nothing when there is none. What cannot be one stays
// what it is there: a shell's own ${cluster}. What a hub delivered, and what an agent made of it, is filled in.
func Unfilled(op *opsv1alpha1.Operation) field.ErrorList {
	if op.Labels[opsv1alpha1.LabelRoot] != "" {
		return nil
	}
	at := meant(op.Spec.Parameters)
	if at == nil {
		return nil
	}
	return field.ErrorList{field.Forbidden(at, "it holds an expression about the cluster, and there is no hub here to fill it in: write the value, or create the Operation on the hub")}
}
