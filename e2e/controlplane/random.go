// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"time"
)

// Chances of the faults that Random orders: each of 0 to 1, tried one after the other, so that a request meets one at most.
type Chances struct {
	// Latency before the effect, and before the answer, of up to MaxLatency.
	Latency, AnswerLatency float64
	MaxLatency             time.Duration
	// Reset before the effect, and after it.
	Reset, ResetAfter float64
	// Cut the answer.
	Cut float64
	// ServerError is one of 500, 502, 503, 504 before the effect; ServerErrorAfter the same after it.
	ServerError, ServerErrorAfter float64
	// RateLimit is a 429 with Retry-After of up to MaxRetryAfter.
	RateLimit     float64
	MaxRetryAfter time.Duration
	// MediaType is an answer of something else.
	MediaType float64
	// Unauthorized and Forbidden are 401 and 403.
	Unauthorized, Forbidden float64
	// Gone is 404 or 409 about a job that is open, which closes it.
	Gone float64
	// Again and Reversed are for polls.
	Again, Reversed float64
}

// Random faults from a seed. What a request meets depends on the seed, its method and path, and its Nth alone, so that it does not matter which of several
// requests comes first. No request beyond the limit-th of its method and path meets any, so that everything comes to an end.
func Random(seed uint64, c Chances, limit int) Faults {
	return func(q Request) *Fault {
		if q.Nth > limit {
			return nil
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(q.Method + " " + q.Path))
		r := rand.New(rand.NewPCG(seed, h.Sum64()+uint64(q.Nth)))
		return c.draw(r, q)
	}
}

// draw a fault. The order, and the draws of each, stay as they are, or a seed means something else.
func (c Chances) draw(r *rand.Rand, q Request) *Fault {
	serverErrors := []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	gone := []int{http.StatusNotFound, http.StatusConflict}
	status, which := serverErrors[r.IntN(len(serverErrors))], gone[r.IntN(len(gone))]
	latency, retryAfter := upTo(r, c.MaxLatency), upTo(r, c.MaxRetryAfter)
	poll, job := q.Operation == Poll, q.Job != ""
	table := []struct {
		chance  float64
		applies bool
		fault   Fault
	}{
		{c.Latency, true, Fault{Latency: latency}},
		{c.AnswerLatency, true, Fault{AnswerLatency: latency}},
		{c.Reset, true, Fault{Reset: true}},
		{c.ResetAfter, true, Fault{Reset: true, TookEffect: true}},
		{c.Cut, true, Fault{Cut: true}},
		{c.ServerError, true, Fault{Status: status}},
		{c.ServerErrorAfter, true, Fault{Status: status, TookEffect: true}},
		{c.RateLimit, true, Fault{Status: http.StatusTooManyRequests, RetryAfter: retryAfter, RetryAfterDate: r.IntN(2) == 0}},
		{c.MediaType, true, Fault{MediaType: "text/html"}},
		{c.Unauthorized, true, Fault{Status: http.StatusUnauthorized}},
		{c.Forbidden, true, Fault{Status: http.StatusForbidden}},
		{c.Gone, job, Fault{Status: which}},
		{c.Again, poll, Fault{Again: true}},
		{c.Reversed, poll, Fault{Reversed: true}},
	}
	for _, row := range table {
		if r.Float64() < row.chance && row.applies {
			return &row.fault
		}
	}
	return nil
}

// upTo draws from 1 ns to the bound; nothing for no bound.
func upTo(r *rand.Rand, bound time.Duration) time.Duration {
	if bound <= 0 {
		return 0
	}
	return 1 + time.Duration(r.Int64N(int64(bound)))
}
