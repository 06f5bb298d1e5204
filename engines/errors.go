// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// InvalidError says that a request can never work. The spoke ends the run with the reason, ValidationFailed by default.
type InvalidError struct {
	// Reason in one word, where one says more than ValidationFailed; empty otherwise.
	Reason string
	// Errs name the fields, from spec on, and the fix.
	Errs field.ErrorList
}

// Error joins what is wrong.
func (e *InvalidError) Error() string { return e.Errs.ToAggregate().Error() }

// Invalid is an InvalidError, or nil when there is nothing wrong.
func Invalid(errs ...*field.Error) error {
	if len(errs) == 0 {
		return nil
	}
	return &InvalidError{Errs: errs}
}

// InvalidBecause is an InvalidError with a reason of its own.
func InvalidBecause(reason string, err *field.Error) error {
	return &InvalidError{Reason: reason, Errs: field.ErrorList{err}}
}

// Supports is an InvalidError unless the engine does Operations of that type.
func Supports(e Engine, t opsv1alpha1.OperationType) error {
	if e.Parameters(t) != nil {
		return nil
	}
	var does []string
	for _, other := range opsv1alpha1.OperationTypes() {
		if e.Parameters(other) != nil {
			does = append(does, string(other))
		}
	}
	return Invalid(field.Invalid(field.NewPath("spec", "type"), t,
		fmt.Sprintf("engine %s does %s: set one of them, or another spec.engine", e.Name(), strings.Join(does, ", "))))
}

// BlockedError says that a run cannot start until somebody acts. The spoke reports Blocked with the reason and looks again.
type BlockedError struct {
	// Reason in one word, such as FieldConflict.
	Reason string
	// Message names what is in the way and the fix.
	Message string
}

// Error is the message.
func (e *BlockedError) Error() string { return e.Message }
