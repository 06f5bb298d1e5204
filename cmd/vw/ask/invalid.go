// SPDX-License-Identifier: Apache-2.0

package ask

import "fmt"

// Invalid is an option that makes no sense as it was given, and what to say instead.
type Invalid struct {
	// Option is its name.
	Option  string
	Message string
}

// Error implements error. Options are written as on a command line.
func (e *Invalid) Error() string { return "--" + e.Option + ": " + e.Message }

func invalid(option, format string, args ...any) error {
	return &Invalid{Option: option, Message: fmt.Sprintf(format, args...)}
}
