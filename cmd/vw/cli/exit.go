// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
)

// Exit statuses of vw. Scripts rely on them: docs/reference/vw.md lists them.
const (
	// ExitOK: it was done, and what was asked about is well.
	ExitOK = 0
	// ExitError: it could not be done: bad input, no connection, no right to it.
	ExitError = 1
	// ExitNo: it was done, and the answer is no: the Operation that was waited for Failed or was Cancelled, or doctor found what is broken.
	ExitNo = 2
	// ExitTimeout: what was waited for has not come within --timeout. It goes on.
	ExitTimeout = 3
)

// exitError is an error with an exit status of its own.
type exitError struct {
	status int
	err    error
}

// Error implements error.
func (e *exitError) Error() string { return e.err.Error() }

// Unwrap implements errors.Unwrap.
func (e *exitError) Unwrap() error { return e.err }

// exitf is an error that ends vw with a status.
func exitf(status int, format string, args ...any) error {
	return &exitError{status: status, err: fmt.Errorf(format, args...)}
}

// statusOf an error.
func statusOf(err error) int {
	if err == nil {
		return ExitOK
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.status
	}
	return ExitError
}
