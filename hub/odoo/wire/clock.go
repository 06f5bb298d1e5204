// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// closeEnough is how far clocks may be apart before ours is put right: the Date header is cut to the second, and took its time to come.
const closeEnough = 2 * time.Second

// serverClock is our clock, put right by the Date headers of answers.
type serverClock struct {
	clock  clock.PassiveClock
	mu     sync.Mutex
	offset time.Duration
}

func (s *serverClock) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock.Now().Add(s.offset)
}

// learn from an answer that has just come; false when it doesn't say the time.
func (s *serverClock) learn(header http.Header) bool {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if offset := date.Sub(s.clock.Now()); (offset - s.offset).Abs() > closeEnough {
		s.offset = offset
	}
	return true
}

// quiet is until when the other side wants to be left alone, whatever there is to ask.
type quiet struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	until time.Time
	why   *Error
}

// left returns the answer that asked for it, with what is left of the time; nil when it is over.
func (q *quiet) left(operation string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.until.Sub(q.clock.Now())
	if q.why == nil || left <= 0 {
		return nil
	}
	again := *q.why
	again.Operation = operation
	again.RetryAfter = left
	return &again
}

// keep what an answer asks for.
func (q *quiet) keep(e *Error) {
	if e.Status != http.StatusTooManyRequests || e.RetryAfter <= 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if until := q.clock.Now().Add(e.RetryAfter); until.After(q.until) {
		q.until, q.why = until, e
	}
}
