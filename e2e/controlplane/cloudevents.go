// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"sync"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
)

// FakeCloudEvents stands for a receiver of CloudEvents 1.0 over HTTP. It is a fake: it keeps what it is told in memory, and it is strict where a real one may
// look the other way. Serve it with net/http/httptest.
type FakeCloudEvents struct {
	// Token that every request must bear; none is asked for when empty.
	Token string
	// NoBatches has it take one event at a time, and answer 415 to more: batches are optional.
	NoBatches bool
	// Fault is asked before a request is looked at, with how many there were before; a status other than 0 is answered instead. With Took, what came is
	// kept all the same. Nil for none.
	Fault func(n int) ReceiverFault

	mu       sync.Mutex
	requests int
	events   []cloudevents.Event
	seen     map[string]bool
	again    int
	wrong    []string
}

// ReceiverFault is what a fake does instead of what it should.
type ReceiverFault struct {
	// Status to answer with; 0 for none.
	Status int
	// RetryAfter is the header of that name; none when empty.
	RetryAfter string
	// Took does what was asked for all the same: the answer is lost.
	Took bool
	// Reset breaks the connection off without an answer.
	Reset bool
}

// do the fault; false when there is none.
func (f ReceiverFault) do(w http.ResponseWriter) bool {
	if f.Reset {
		panic(http.ErrAbortHandler)
	}
	if f.Status == 0 {
		return false
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	w.WriteHeader(f.Status)
	return true
}

// ServeHTTP implements http.Handler.
func (f *FakeCloudEvents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	f.mu.Lock()
	fault := ReceiverFault{}
	if f.Fault != nil {
		fault = f.Fault(f.requests)
	}
	f.requests++
	f.mu.Unlock()
	if !fault.Took && fault.do(w) {
		return
	}
	status := f.take(r, body)
	if fault.do(w) {
		return
	}
	w.WriteHeader(status)
}

// take what a request holds, and say what to answer.
func (f *FakeCloudEvents) take(r *http.Request, body []byte) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method != http.MethodPost {
		return f.complain(http.StatusMethodNotAllowed, "method %s", r.Method)
	}
	if f.Token != "" && r.Header.Get("Authorization") != "Bearer "+f.Token {
		return http.StatusUnauthorized
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["charset"] != "" && params["charset"] != "utf-8" && params["charset"] != "UTF-8" {
		return f.complain(http.StatusUnsupportedMediaType, "content type %q", r.Header.Get("Content-Type"))
	}
	var events []json.RawMessage
	switch media {
	case "application/cloudevents+json":
		events = []json.RawMessage{body}
	case "application/cloudevents-batch+json":
		if f.NoBatches {
			return http.StatusUnsupportedMediaType
		}
		if err := json.Unmarshal(body, &events); err != nil {
			return f.complain(http.StatusBadRequest, "a batch that is no array: %v", err)
		}
	default:
		return f.complain(http.StatusUnsupportedMediaType, "content type %q", media)
	}
	for _, data := range events {
		if err := f.keep(data); err != nil {
			return f.complain(http.StatusBadRequest, "%v", err)
		}
	}
	return http.StatusAccepted
}

func (f *FakeCloudEvents) complain(status int, format string, args ...any) int {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
	return status
}

// keep an event, unless it is known by source and id.
func (f *FakeCloudEvents) keep(data []byte) error {
	e := cloudevents.Event{}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&e); err != nil {
		return fmt.Errorf("no CloudEvent: %w", err)
	}
	if err := e.Validate(); err != nil {
		return fmt.Errorf("no valid CloudEvent: %w", err)
	}
	if e.SpecVersion() != "1.0" || e.Time().IsZero() || e.DataContentType() != "application/json" {
		return fmt.Errorf("event %s: version %q, time %s, data %q", e.ID(), e.SpecVersion(), e.Time(), e.DataContentType())
	}
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	key := e.Source() + "\x00" + e.ID()
	if f.seen[key] {
		f.again++
		return nil
	}
	f.seen[key] = true
	f.events = append(f.events, e)
	return nil
}

// Events that it was told, each once, in the order in which it was first told them.
func (f *FakeCloudEvents) Events() []cloudevents.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events)
}

// Requests is how many there were, and how many events came again.
func (f *FakeCloudEvents) Requests() (requests, again int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests, f.again
}

// Wrong is what it was sent that the specification does not allow.
func (f *FakeCloudEvents) Wrong() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.wrong)
}
