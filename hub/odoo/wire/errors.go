// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// CodeClockSkew is the error code of a control plane that does not take the time of a request: its own is in the answer's Date header.
const CodeClockSkew = "clock_skew"

// errInvalid marks what the client refuses to send.
var errInvalid = errors.New("not sent")

// Error is an answer that is not the one asked for.
type Error struct {
	// Operation that was answered, such as "POST /api/agent/events".
	Operation string
	// Job that the request was about; empty when it was about none.
	Job string
	// Status is the HTTP status.
	Status int
	// Code is the error code in the answer; empty when it has none.
	Code string
	// Message for people, cut to 1 KiB; without our token, should the answer have had it.
	Message string
	// RequestID by which the other side finds the request in its log; empty when it does not say.
	RequestID string
	// RetryAfter is how long the other side asks to be left alone; 0 when it does not. A day at most.
	RetryAfter time.Duration
	// Foreign tells that the answer does not have the protocol's media type, so that something else has answered: a proxy, or an Odoo without the add-ons.
	Foreign bool
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: answered %d", e.Operation, e.Status)
	if text := http.StatusText(e.Status); text != "" {
		b.WriteString(" " + text)
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// Closed tells whether a request about a job was answered with 404 or 409: the control plane waits for nothing any more.
func Closed(err error) bool {
	e, ok := ours(err)
	return ok && e.Job != "" && (e.Status == http.StatusNotFound || e.Status == http.StatusConflict)
}

// Unauthorized tells whether the credentials are not known.
func Unauthorized(err error) bool {
	e, ok := ours(err)
	return ok && e.Status == http.StatusUnauthorized
}

// Forbidden tells whether the credentials are not for what was asked.
func Forbidden(err error) bool {
	e, ok := ours(err)
	return ok && e.Status == http.StatusForbidden
}

// RateLimited tells whether the other side, or something on the way, asks to be left alone for a while: see RetryAfter.
func RateLimited(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusTooManyRequests
}

// Rejected tells whether the same request would never be taken: the control plane has answered with another 4xx than those above, or the client refused to send it.
func Rejected(err error) bool {
	if errors.Is(err, errInvalid) {
		return true
	}
	e, ok := ours(err)
	if !ok || e.Status < 400 || e.Status >= 500 || Closed(err) {
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return true
}

// Temporary tells whether the same request may be taken later: nothing answered, something else did, or it asks for time. False for what the caller cancelled.
func Temporary(err error) bool {
	return err != nil && !Closed(err) && !Unauthorized(err) && !Forbidden(err) && !Rejected(err) && !errors.Is(err, context.Canceled)
}

// RetryAfter is how long the other side asks to be left alone; 0 when it does not.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// ours is an answer of the control plane. What something else says stops nothing and closes no job, so that a proxy's bad day loses none.
func ours(err error) (*Error, bool) {
	e, ok := errors.AsType[*Error](err)
	return e, ok && !e.Foreign
}
