// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Fault of one request.
type Fault struct {
	// Latency before the request takes effect, which it does then even if its client has gone.
	Latency time.Duration
	// AnswerLatency after it took effect.
	AnswerLatency time.Duration
	// Status to answer with instead. 404 and 409 about a job close the job.
	Status int
	// Code of the error; one that goes with Status when empty.
	Code string
	// RetryAfter says when to come again, in whole seconds, rounded up; as a date with RetryAfterDate.
	RetryAfter     time.Duration
	RetryAfterDate bool
	// Reset closes the connection without an answer.
	Reset bool
	// TookEffect lets the request take effect before Status or Reset.
	TookEffect bool
	// Cut closes the connection in the midst of the answer's body; before the answer when that has none.
	Cut bool
	// MediaType has the request take effect, and be answered 200 with a text of this media type by what might be a proxy.
	MediaType string
	// Again has a poll answered with jobs that were acknowledged, too.
	Again bool
	// Reversed has a poll answered with the latest job first.
	Reversed bool
}

// Faults decides which fault a request meets; none when it returns nil. It is called with the fake locked, and must not call its methods.
type Faults func(Request) *Fault

// Schedule of faults by the number of the request.
func Schedule(faults map[int]Fault) Faults {
	faults = maps.Clone(faults)
	return func(q Request) *Fault {
		if fault, ok := faults[q.Number]; ok {
			return &fault
		}
		return nil
	}
}

// SetFaults from now on; nil for none.
func (f *Fake) SetFaults(faults Faults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = faults
}

// FaultCounts tells how many requests met which fault.
func (f *Fake) FaultCounts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.faulted)
}

// String names a fault by what it does.
func (f Fault) String() string {
	var parts []string
	add := func(yes bool, text string) {
		if yes {
			parts = append(parts, text)
		}
	}
	when := "before"
	if f.TookEffect {
		when = "after"
	}
	add(f.Latency > 0, "latency")
	add(f.AnswerLatency > 0, "answer latency")
	add(f.Status != 0, fmt.Sprintf("%d %s", f.Status, when))
	add(f.Reset, "reset "+when)
	add(f.Cut, "cut")
	add(f.MediaType != "", "media type")
	add(f.Again, "again")
	add(f.Reversed, "reversed")
	return strings.Join(parts, "+")
}

// before tells whether the request takes no effect.
func (f Fault) before() bool { return (f.Status != 0 || f.Reset) && !f.TookEffect }

// disturbs tells whether the client may not know what came of its request.
func (f Fault) disturbs() bool {
	return f.Latency > 0 || f.AnswerLatency > 0 || f.Status != 0 || f.Reset || f.Cut || f.MediaType != ""
}

func (f Fault) code() string {
	if f.Code != "" {
		return f.Code
	}
	return strings.ToLower(strings.ReplaceAll(http.StatusText(f.Status), " ", "_"))
}

// fault that a request meets.
func (f *Fake) fault(q *Request) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.faults == nil {
		return Fault{}
	}
	fault := f.faults(*q)
	if fault == nil || *fault == (Fault{}) {
		return Fault{}
	}
	q.Fault = fault.String()
	q.disturbed = fault.disturbs()
	f.faulted[q.Fault]++
	return *fault
}
