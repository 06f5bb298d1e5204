// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// errCut is what a process sees whose wire is cut: nothing that it does has an effect any more.
var errCut = errors.New("the wire is cut")

// Send lets a call through to the API server and returns its answer.
type Send func() (*http.Response, error)

// Rule decides what becomes of a call. A rule that does not call send keeps it from the API server; one that drops the answer makes the
// caller believe that it never arrived.
type Rule func(w *Wire, c Call, send Send) (*http.Response, error)

// Wire is what stands between one run of a process and its API server.
type Wire struct {
	rule Rule
	ears
	// behind answers in place of what the API server passes a request on to; nil for the API server's own.
	behind func(*Wire, Call) *http.Response

	alive context.Context
	cut   context.CancelFunc
	// usurped is closed when another run of the process is to begin, though this one goes on.
	usurped chan struct{}
	usurp   func()
}

// ears are told what happens on a wire.
type ears struct {
	// wrote is told of every write that the API server has accepted, before the process is.
	wrote func(Call)
	// late is told of an object that was made by a run that had been deposed.
	late func(Call)
	// unheard is told of a call to Odoo whose answer the process does not get, and of one of a run that has been deposed: its successor may make it, too.
	unheard func()
	// failed is told of a call without an answer, and of one whose answer says that the API server is in trouble.
	failed func(Call)
}

// newWire makes one with a rule, or none.
func newWire(rule Rule, e ears, behind func(*Wire, Call) *http.Response) *Wire {
	if rule == nil {
		rule = func(_ *Wire, _ Call, send Send) (*http.Response, error) { return send() }
	}
	w := &Wire{rule: rule, ears: e, behind: behind, usurped: make(chan struct{})}
	w.usurp = sync.OnceFunc(func() { close(w.usurped) })
	w.alive, w.cut = context.WithCancel(context.Background())
	return w
}

// Cut ends everything that goes over the wire, now and for ever: what a kill -9 does, seen from the API server. A request that is under way may
// arrive or not.
func (w *Wire) Cut() { w.cut() }

// IsCut is closed when the wire is cut.
func (w *Wire) IsCut() <-chan struct{} { return w.alive.Done() }

// isUsurped tells whether another run of the process has begun.
func (w *Wire) isUsurped() bool {
	select {
	case <-w.usurped:
		return true
	default:
		return false
	}
}

// hold back whatever calls it, for as long as that or until the wire is cut: the delay itself is the fault.
func (w *Wire) hold(d time.Duration) {
	select {
	case <-w.IsCut():
	case <-time.After(d):
	}
}

// Wrap makes a transport go over the wire; see rest.Config.Wrap.
func (w *Wire) Wrap(next http.RoundTripper) http.RoundTripper { return &end{w, next} }

type end struct {
	*Wire
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (e *end) RoundTrip(req *http.Request) (*http.Response, error) {
	if e.alive.Err() != nil {
		return nil, errCut
	}
	ctx, cancel := context.WithCancel(req.Context())
	call := callOf(req.Clone(ctx))
	unlink := context.AfterFunc(e.alive, cancel) //nolint:contextcheck // the wire outlives every request
	release := sync.OnceFunc(func() { unlink(); cancel() })
	var sent atomic.Bool // a rule may send when it has answered
	resp, err := e.rule(e.Wire, call, func() (*http.Response, error) {
		sent.Store(true)
		return e.send(call)
	})
	if err == nil && e.alive.Err() != nil {
		_ = resp.Body.Close()
		err = errCut
	}
	if e.isTrouble(req, resp, err) {
		e.failed(call)
	}
	if sent.Load() && call.ToOdoo() && (err != nil || e.isUsurped()) {
		e.unheard()
	}
	if err != nil {
		release()
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols { // whose body is written to, too
		resp.Body = &body{resp.Body, release}
	}
	return resp, nil
}

// send a call.
func (e *end) send(call Call) (*http.Response, error) {
	if e.alive.Err() != nil {
		return nil, errCut
	}
	if call.ToOdoo() && e.isUsurped() {
		e.unheard()
	}
	resp, err := e.behind(e.Wire, call), error(nil)
	if resp == nil {
		resp, err = e.next.RoundTrip(call.Request)
	}
	if err == nil && call.Writes() && resp.StatusCode < http.StatusMultipleChoices {
		done := call
		done.Request = nil // what is kept must not keep its body
		e.wrote(done)
	}
	return resp, err
}

// body lets go of the request when its answer has been read.
type body struct {
	io.ReadCloser
	release func()
}

func (b *body) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

// isTrouble tells whether a call had no answer, though its caller waits for one, or one that says that the API server is in trouble.
func (e *end) isTrouble(req *http.Request, resp *http.Response, err error) bool {
	if err != nil {
		return req.Context().Err() == nil && e.alive.Err() == nil
	}
	return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError
}
