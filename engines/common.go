// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Common are the parameters that an Operation may have whatever its engine is. The spoke acts on them and no engine knows them.
type Common struct {
	// Quiesce brings the application to rest before the engine starts, in the way that the target advertises by ops.vworkspace.io/quiesce, and wakes
	// it up after the run has ended, however it ended. Not for a Restore or an Upgrade. Default: false.
	Quiesce bool `json:"quiesce,omitempty"`
}

// notQuiesced are the types that replace what would be quiesced: the chart's pods, or the data that they have open.
var notQuiesced = []opsv1alpha1.OperationType{opsv1alpha1.TypeRestore, opsv1alpha1.TypeUpgrade}

// CommonParameters reads them out of spec.parameters and looks at nothing else there. The error is an *InvalidError.
func CommonParameters(op *opsv1alpha1.Operation) (Common, error) {
	var c Common
	raw, err := rawParameters(op)
	if err != nil || raw == nil {
		return c, err
	}
	strict, err := kjson.UnmarshalStrict(raw, &c)
	if err != nil {
		return Common{}, Invalid(decodeError(err))
	}
	for _, e := range strict {
		var named kjson.FieldError
		if errors.As(e, &named) && isCommon(named.FieldPath()) {
			return Common{}, Invalid(strictError(e, &c))
		}
	}
	if c.Quiesce && slices.Contains(notQuiesced, op.Spec.Type) {
		return Common{}, Invalid(field.Forbidden(ParametersPath().Child("quiesce"),
			fmt.Sprintf("%s replaces what would be quiesced: leave it out", op.Spec.Type)))
	}
	return c, nil
}

// isCommon tells whether a parameter is one of Common.
func isCommon(name string) bool {
	return slices.Contains(jsonNames(reflect.TypeFor[Common]()), name)
}
