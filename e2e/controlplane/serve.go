// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// maxBody of a request.
const maxBody = 16 << 20

// reply is what a request is answered with.
type reply struct {
	status     int
	body       []byte
	retryAfter string
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := f.arrive(r)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		// It was not sent to its end: there is nothing to take effect.
		panic(http.ErrAbortHandler)
	}
	refused := f.check(q, r, body)
	if f.ask(q, Before) == Drop {
		f.disturb(q)
		panic(http.ErrAbortHandler)
	}
	if refused != nil {
		f.answer(w, r, q, *refused, Fault{})
		return
	}
	fault := f.fault(q)
	// A request that is held up takes effect also when its client is gone meanwhile, and has sent it again.
	f.sleep(fault.Latency)
	var answered reply
	if fault.before() {
		answered = f.instead(q, fault)
	} else {
		answered = f.effect(r.Context(), q, r, body, fault)
	}
	if f.ask(q, After) == Drop {
		f.disturb(q)
		panic(http.ErrAbortHandler)
	}
	f.sleep(fault.AnswerLatency)
	if !fault.before() && fault.Status != 0 {
		answered = f.instead(q, fault)
	}
	f.answer(w, r, q, answered, fault)
}

// effect is what a request does, as if nothing were wrong.
func (f *Fake) effect(ctx context.Context, q *Request, r *http.Request, body []byte, fault Fault) reply {
	switch q.Operation {
	case Poll:
		return f.poll(ctx, q, r.URL.Query(), fault)
	case Events:
		return f.takeEvents(q, body)
	case Register:
		return f.register(q, body)
	case Rotate:
		return f.rotate(q, body)
	case Ack, Status, Result:
		return f.aboutJob(q, body)
	default:
		return problem(http.StatusNotFound, "not_found", "there is no such path")
	}
}

// instead of the effect, or of its answer: what a fault orders.
func (f *Fake) instead(q *Request, fault Fault) reply {
	if fault.Reset || fault.Status == 0 {
		return reply{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if fault.before() && q.Job != "" && (fault.Status == http.StatusNotFound || fault.Status == http.StatusConflict) {
		// It says that the job is closed, so it is.
		if j := f.job(q.Job); j != nil && !j.Closed {
			j.Closed = true
			f.change()
		}
	}
	out := problem(fault.Status, fault.code(), "a fault that the test has ordered")
	if fault.RetryAfter > 0 {
		seconds := (fault.RetryAfter + time.Second - 1) / time.Second
		out.retryAfter = strconv.Itoa(int(seconds))
		if fault.RetryAfterDate {
			out.retryAfter = f.now().Add((seconds + 1) * time.Second).UTC().Format(http.TimeFormat)
		}
	}
	return out
}

// answer a request, or what a fault leaves of the answer.
func (f *Fake) answer(w http.ResponseWriter, r *http.Request, q *Request, a reply, fault Fault) {
	if fault.Reset {
		panic(http.ErrAbortHandler)
	}
	mediaType := wire.MediaType
	if fault.MediaType != "" {
		mediaType = fault.MediaType
		a = reply{status: http.StatusOK, body: []byte("something else has answered")}
	}
	header := w.Header()
	f.mu.Lock()
	header.Set("Date", f.now().UTC().Format(http.TimeFormat))
	f.answered(q, a)
	f.mu.Unlock()
	if a.status != http.StatusNoContent {
		header.Set("Content-Type", mediaType)
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	if a.retryAfter != "" {
		header.Set("Retry-After", a.retryAfter)
	}
	if fault.Cut && len(a.body) == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(a.status)
	if fault.Cut {
		_, _ = w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if _, err := w.Write(a.body); (err != nil && a.status != http.StatusNoContent) || r.Context().Err() != nil {
		f.disturb(q)
	}
}

// disturb remembers that a request may not have got its answer.
func (f *Fake) disturb(q *Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q.disturbed = true
	if j := f.job(q.Job); j != nil && q.Operation == Result {
		j.lost = true
	}
}

// sleep, unless the fake is closed.
func (f *Fake) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := f.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-f.closed:
	}
}

func problem(status int, code, message string) reply {
	return answerJSON(status, map[string]string{"error": code, "message": message, "requestId": "fake-" + strconv.Itoa(status)})
}

func answerJSON(status int, body any) reply {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // Only what the fake itself has made is marshalled.
	}
	return reply{status: status, body: raw}
}

func noContent() reply { return reply{status: http.StatusNoContent} }
