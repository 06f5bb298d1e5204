// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Point is a write of a component at which something happens.
type Point struct {
	// Of is the kind of write, such as "POST manifestworks"; see Call.What.
	Of string
	// At is which of them, the first being 1.
	At int
	// Name of a call among the kinds of write, and "" of one that is none; nil for Call.What of writes that carry the state of a run.
	Name func(Call) string

	n   atomic.Int64
	hit atomic.Pointer[Call]
}

// reached tells, once, that a call is the point.
func (p *Point) reached(c Call) bool {
	name := p.Name
	if name == nil {
		name = nameOf
	}
	if name(c) != p.Of || p.n.Add(1) != int64(p.At) {
		return false
	}
	p.hit.Store(&c)
	return true
}

func nameOf(c Call) string {
	if !c.Writes() {
		return ""
	}
	return c.What()
}

// Hit is the write at the point; nil when the component never made so many.
func (p *Point) Hit() *Call { return p.hit.Load() }

// Crash kills the component at the point: before the write is sent, or after the API server has committed it, so that only the reply is lost.
func (p *Point) Crash(after bool) Rule {
	return func(w *Wire, c Call, send Send) (*http.Response, error) {
		if !p.reached(c) {
			return send()
		}
		if after {
			discard(send())
		}
		w.Cut()
		return nil, errCut
	}
}

// LoseReply loses the reply of the write at the point. The component lives on and does not know whether it was made.
func (p *Point) LoseReply() Rule {
	return func(_ *Wire, c Call, send Send) (*http.Response, error) {
		if !p.reached(c) {
			return send()
		}
		discard(send())
		return nil, io.ErrUnexpectedEOF
	}
}

// Refuse says that somebody else was faster than the write at the point, which is not made.
func (p *Point) Refuse() Rule {
	return func(_ *Wire, c Call, send Send) (*http.Response, error) {
		switch {
		case !p.reached(c):
			return send()
		case c.Method == http.MethodPost:
			return answer(c, http.StatusConflict, "AlreadyExists", "the object is there"), nil
		}
		return answer(c, http.StatusConflict, "Conflict", "the object has been modified"), nil
	}
}

// ArriveLate has the write at the point hang until its caller gives it up, and arrive then, so long after it was sent.
func (p *Point) ArriveLate(after time.Duration) Rule {
	return func(w *Wire, c Call, send Send) (*http.Response, error) {
		if !p.reached(c) {
			return send()
		}
		waits := c.Request.Context()
		*c.Request = *c.Request.WithContext(context.WithoutCancel(waits))
		go func() {
			w.hold(after)
			discard(send())
		}()
		select {
		case <-waits.Done():
			return nil, waits.Err()
		case <-w.IsCut():
			return nil, errCut
		}
	}
}

// CutOff lets nothing of some calls through for a while from the point on, and their watches say nothing: callers wait for as long as they care to.
func (p *Point) CutOff(during time.Duration, of func(Call) bool) Rule {
	door := &Door{}
	return func(w *Wire, c Call, send Send) (*http.Response, error) {
		if !of(c) {
			return send()
		}
		if p.reached(c) {
			door.Shut()
			time.AfterFunc(during, door.Open)
		}
		door.pass(w, c.Request.Context().Done())
		if err := c.Request.Context().Err(); err != nil {
			return nil, err
		}
		return door.Rule(w, c, send)
	}
}

// Depose makes another run of the component take over at the point, and sends the write when that one has had its time: the last write of a leader
// that does not know yet that it is none.
func (p *Point) Depose(reign time.Duration) Rule {
	var deposed atomic.Bool
	return func(w *Wire, c Call, send Send) (*http.Response, error) {
		switch {
		case p.reached(c):
			deposed.Store(true)
			w.usurp()
			w.hold(reign) // its successor must be given the time, whatever it does with it
			resp, err := send()
			// What applies a thing first makes it. What changes it later must not.
			if makes := c.Method == http.MethodPost || p.At == 1; makes && err == nil && resp.StatusCode == http.StatusCreated {
				w.late(c)
			}
			discard(resp, err)
			w.Cut()
			return nil, errCut
		case deposed.Load():
			<-w.IsCut()
			return nil, errCut
		}
		return send()
	}
}

// Blind holds every watch event back for a while from the point on: the component acts on what it has known before its own write.
func (p *Point) Blind(during time.Duration) Rule {
	var open sync.WaitGroup
	return func(w *Wire, c Call, send Send) (*http.Response, error) {
		if p.reached(c) {
			open.Add(1)
			time.AfterFunc(during, open.Done)
		}
		resp, err := send()
		if err == nil && c.Watch {
			resp.Body = &gate{resp.Body, func() { waitOrCut(&open, w) }}
		}
		return resp, err
	}
}

// Gap breaks every watch at the point, and makes the component list anew: what happened in between it never sees happen.
func (p *Point) Gap() Rule {
	var mu sync.Mutex
	var watches []io.Closer
	refuse := 0
	return func(_ *Wire, c Call, send Send) (*http.Response, error) {
		mu.Lock()
		if p.reached(c) {
			refuse = len(watches)
			for _, body := range watches {
				_ = body.Close()
			}
		}
		if c.Watch && refuse > 0 {
			refuse--
			mu.Unlock()
			return answer(c, http.StatusGone, "Expired", "too old resource version"), nil
		}
		mu.Unlock()
		resp, err := send()
		if err == nil && c.Watch {
			mu.Lock()
			watches = append(watches, resp.Body)
			mu.Unlock()
		}
		return resp, err
	}
}

// Past shows a component the past when it comes up: its lists are what there was at a revision, and its watches say nothing, for a while. That is
// what a restart sees at an API server that lags behind.
func Past(revision func() string, during time.Duration) Rule {
	var begun sync.Once
	var open sync.WaitGroup
	open.Add(1)
	return func(w *Wire, c Call, send Send) (*http.Response, error) {
		begun.Do(func() { time.AfterFunc(during, open.Done) })
		query := c.Request.URL.Query()
		switch {
		case c.Method != http.MethodGet || c.Name != "":
			return send()
		case query.Get("sendInitialEvents") == "true":
			return answer(c, http.StatusBadRequest, "BadRequest", "this rule knows lists only"), nil
		case c.Watch:
			waitOrCut(&open, w)
		case query.Get("resourceVersion") == "0" && revision() != "": // a cache's list; a live one asks for the newest
			query.Set("resourceVersion", revision())
			query.Set("resourceVersionMatch", "Exact")
			c.Request.URL.RawQuery = query.Encode()
		}
		return send()
	}
}

// Late delays what watches say, each piece by up to a duration.
func Late(random *rand.Rand, most time.Duration) Rule {
	var mu sync.Mutex
	delay := func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(random.Int64N(int64(most)))
	}
	return func(w *Wire, c Call, send Send) (*http.Response, error) {
		resp, err := send()
		if err == nil && c.Watch {
			resp.Body = &gate{resp.Body, func() { w.hold(delay()) }}
		}
		return resp, err
	}
}

// Storm refuses calls for a while from the first one on, by the odds: 429, 409 for changes of what there is, 500, and replies that are lost.
func Storm(random *rand.Rand, during time.Duration, odds float64) Rule {
	var mu sync.Mutex
	var until time.Time
	return func(_ *Wire, c Call, send Send) (*http.Response, error) {
		mu.Lock()
		if until.IsZero() {
			until = time.Now().Add(during)
		}
		strikes, kind := random.Float64() < odds && time.Now().Before(until), random.IntN(4)
		mu.Unlock()
		if !strikes || c.Resource == "" || c.Watch || c.ToOdoo() {
			return send()
		}
		switch {
		case kind == 0:
			resp := answer(c, http.StatusTooManyRequests, "TooManyRequests", "too many requests")
			resp.Header.Set("Retry-After", "1")
			return resp, nil
		case kind == 1 && (c.Method == http.MethodPut || c.Method == http.MethodPatch):
			return answer(c, http.StatusConflict, "Conflict", "the object has been modified"), nil
		case kind == 2 && c.Writes():
			discard(send())
			return nil, io.ErrUnexpectedEOF
		}
		return answer(c, http.StatusInternalServerError, "InternalError", "storm"), nil
	}
}

// Door is what a component has to pass for every call, and what its watches say too. While it is shut the component is not dead: it waits.
type Door struct {
	mu   sync.Mutex
	shut chan struct{} // closed when it is opened; nil while it is open
}

// Shut it.
func (d *Door) Shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut == nil {
		d.shut = make(chan struct{})
	}
}

// Open it.
func (d *Door) Open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut != nil {
		close(d.shut)
		d.shut = nil
	}
}

// Rule makes a component pass the door.
func (d *Door) Rule(w *Wire, c Call, send Send) (*http.Response, error) {
	d.pass(w, nil)
	resp, err := send()
	if err == nil && c.Watch {
		resp.Body = &gate{resp.Body, func() { d.pass(w, nil) }}
	}
	return resp, err
}

// pass waits until the door is open; not longer than until over, if that is not nil.
func (d *Door) pass(w *Wire, over <-chan struct{}) {
	d.mu.Lock()
	shut := d.shut
	d.mu.Unlock()
	if shut == nil {
		return
	}
	select {
	case <-shut:
	case <-over:
	case <-w.IsCut():
	}
}

func waitOrCut(open *sync.WaitGroup, w *Wire) {
	opened := make(chan struct{})
	go func() { open.Wait(); close(opened) }()
	select {
	case <-opened:
	case <-w.IsCut():
	}
}

// gate is a body before each piece of which something has to happen.
type gate struct {
	io.ReadCloser
	pass func()
}

func (g *gate) Read(p []byte) (int, error) {
	n, err := g.ReadCloser.Read(p)
	g.pass()
	return n, err
}

func discard(resp *http.Response, err error) {
	if err == nil {
		_ = resp.Body.Close()
	}
}

// answer in the place of an API server.
func answer(c Call, code int, reason, message string) *http.Response {
	text := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code)
	return &http.Response{
		Status: http.StatusText(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: c.Request,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)),
	}
}
