// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// InvalidError says that a request can never work. The spoke ends the run with ValidationFailed.
type InvalidError struct {
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

// BlockedError says that a run cannot start until somebody acts. The spoke reports Blocked with the reason and looks again.
type BlockedError struct {
	// Reason in one word, such as FieldConflict.
	Reason string
	// Message names what is in the way and the fix.
	Message string
}

// Error is the message.
func (e *BlockedError) Error() string { return e.Message }
