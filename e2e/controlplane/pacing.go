// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"net/http"
	"strconv"
	"time"
)

// Bounds on how soon a client may come again.
const (
	// soonest after a 5xx: a second, less what clocks and timers are off.
	soonest = 990 * time.Millisecond
	// onTheWay is how long a request may have been sent before the answer to another one had come.
	onTheWay = time.Second
)

// pacing is what an identity was told about coming again.
type pacing struct {
	// quietFrom and quietUntil are the time that a 429 asked for, and quietFor what it answered.
	quietFrom, quietUntil time.Time
	quietFor              Operation
	// failed is when a request, by its method and path, was last answered with 5xx.
	failed map[string]time.Time
	// unauthorized counts the polls answered with 401, by token.
	unauthorized map[string]int
	// forbidden counts the polls answered with 403.
	forbidden int
}

// checkPacing of a request that has arrived. The caller holds mu.
func (f *Fake) checkPacing(q *Request) {
	if q.who == nil {
		return
	}
	p := &q.who.pacing
	f.checkQuiet(q, p)
	name := q.Method + " " + q.Path
	if since := q.At.Sub(p.failed[name]); since < soonest {
		f.violate(q, "comes %s after a 5xx; a second is the least", since)
	}
	if q.Operation != Poll {
		return
	}
	if p.unauthorized[q.token] >= 2 {
		f.violate(q, "polls on after a second 401 with the same token")
	}
	if p.forbidden >= 1 {
		f.violate(q, "polls on after a 403")
	}
}

func (f *Fake) checkQuiet(q *Request, p *pacing) {
	if !q.At.Before(p.quietUntil) {
		return
	}
	// Polls come one after the other, so that the client has read the answer to the last one.
	if (q.Operation == Poll && p.quietFor == Poll) || q.At.Sub(p.quietFrom) > onTheWay {
		f.violate(q, "comes %s before what Retry-After has asked for", p.quietUntil.Sub(q.At))
	}
}

// answered remembers an answer that is about to be sent. The caller holds mu.
func (f *Fake) answered(q *Request, a reply) {
	q.Status = a.status
	if q.who == nil || q.epoch != f.epoch {
		return
	}
	p := &q.who.pacing
	now := f.clock.Now()
	switch {
	case a.status == http.StatusTooManyRequests:
		if seconds, err := strconv.Atoi(a.retryAfter); err == nil {
			p.quietFrom, p.quietUntil, p.quietFor = now, now.Add(time.Duration(seconds)*time.Second), q.Operation
		} else if date, err := http.ParseTime(a.retryAfter); err == nil {
			p.quietFrom, p.quietUntil, p.quietFor = now, now.Add(date.Sub(f.now())), q.Operation
		}
	case a.status >= 500:
		if p.failed == nil {
			p.failed = map[string]time.Time{}
		}
		p.failed[q.Method+" "+q.Path] = now
	case q.Operation != Poll:
	case a.status == http.StatusForbidden:
		p.forbidden++
	case a.status == http.StatusUnauthorized:
		if p.unauthorized == nil {
			p.unauthorized = map[string]int{}
		}
		p.unauthorized[q.token]++
	}
}
