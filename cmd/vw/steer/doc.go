// SPDX-License-Identifier: Apache-2.0

// Package steer decides what to change when a person wants an Operation that is there to go on otherwise: the one field to patch, or the Operation to create beside
// it, and what to tell the person. It is pure; what cannot be done is an error that says what can.
package steer
