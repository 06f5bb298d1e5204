// SPDX-License-Identifier: Apache-2.0

// Package redact keeps values of parameters out of what is told about a run: messages, history, Events, log lines and outputs. It is pure.
//
//	template's spec.redact + the Operation's parameters + the template's defaults -> New -> Redaction
//	status about to be written -> Status, outputs -> Outputs, an error to be logged -> Error
//	parameters that are shown, or found by their place -> Parameters, Covers
//
// It is a net under people who write secrets where everybody with a right to read Operations can read them: they belong into Secrets, by reference.
package redact
