// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Operation of the protocol.
type Operation string

// Operations.
const (
	Poll     Operation = "poll"
	Ack      Operation = "ack"
	Status   Operation = "status"
	Result   Operation = "result"
	Events   Operation = "events"
	Register Operation = "register"
	Rotate   Operation = "rotate"
	// Unknown is none of the protocol's.
	Unknown Operation = "unknown"
)

// Phase of a request.
type Phase string

// Phases.
const (
	// Before it takes effect.
	Before Phase = "before"
	// After it took effect, and before it is answered.
	After Phase = "after"
)

// Verdict on a request.
type Verdict int

// Verdicts.
const (
	// Proceed with it.
	Proceed Verdict = iota
	// Drop it: the connection is closed. Before it took effect, it never will.
	Drop
)

// Request that came in.
type Request struct {
	// Number of the request, from 1 on, by arrival.
	Number int
	// Nth of its method and path, from 1 on.
	Nth int
	// Operation that it asks for, and the Job that it is about.
	Operation Operation
	Job       string
	// Method and Path, with the query.
	Method, Path string
	// At is when it came, by Options.Clock.
	At time.Time
	// Phase that it is in.
	Phase Phase
	// Status that it was answered with; 0 when it was not.
	Status int
	// Fault that it met; empty when it met none.
	Fault string

	epoch     int
	disturbed bool
	token     string
	who       *identity
}

// OnRequest has a function called before and after every request takes effect, such as one that kills the client. It may call the fake's methods.
func (f *Fake) OnRequest(do func(Request) Verdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onRequest = do
}

// Requests so far, in the order of arrival.
func (f *Fake) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Request, 0, len(f.requests))
	for _, q := range f.requests {
		out = append(out, *q)
	}
	return out
}

// arrive gives a request its number.
func (f *Fake) arrive(r *http.Request) *Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	operation, job := operationOf(r)
	f.nth[r.Method+" "+r.RequestURI]++
	q := &Request{
		Number: len(f.requests) + 1, Nth: f.nth[r.Method+" "+r.RequestURI], Operation: operation, Job: job,
		Method: r.Method, Path: r.RequestURI, At: f.clock.Now(), Phase: Before, epoch: f.epoch,
	}
	f.requests = append(f.requests, q)
	return q
}

// ask OnRequest.
func (f *Fake) ask(q *Request, phase Phase) Verdict {
	f.mu.Lock()
	do := f.onRequest
	q.Phase = phase
	asked := *q
	f.mu.Unlock()
	if do == nil {
		return Proceed
	}
	return do(asked)
}

func operationOf(r *http.Request) (operation Operation, job string) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/agent/")
	if !ok {
		return Unknown, ""
	}
	switch r.Method + " " + path {
	case "GET jobs":
		return Poll, ""
	case "POST events":
		return Events, ""
	case "POST register":
		return Register, ""
	case "POST credentials/rotate":
		return Rotate, ""
	}
	parts := strings.Split(path, "/")
	if r.Method != http.MethodPost || len(parts) != 3 || parts[0] != "jobs" {
		return Unknown, ""
	}
	id, err := url.PathUnescape(parts[1])
	if err != nil || id == "" {
		return Unknown, ""
	}
	if operation := Operation(parts[2]); operation == Ack || operation == Status || operation == Result {
		return operation, id
	}
	return Unknown, ""
}
