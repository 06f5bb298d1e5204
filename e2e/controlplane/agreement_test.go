// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// jobsEach schedule has.
const jobsEach = 6

// chances of everything that gets better by itself.
var chances = controlplane.Chances{
	Latency: .05, AnswerLatency: .05, MaxLatency: 2 * time.Second, Reset: .1, ResetAfter: .1, Cut: .1, ServerError: .1, ServerErrorAfter: .1,
	RateLimit: .05, MaxRetryAfter: 8 * time.Second, MediaType: .05, Gone: .03, Again: .2, Reversed: .2,
}

// The client and the fake were written from one text, each for itself: whatever goes wrong on the way, each job that is not given up gets one result, each event is
// told, and the fake has nothing to object to.
func TestClientAndFakeAgree(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			clock := fast{began: time.Now(), times: 20}
			f := controlplane.Start(controlplane.Options{Clock: clock})
			defer f.Close()
			f.SetFaults(controlplane.Random(seed, chances, 3))
			f.SetClockSkew(time.Duration(seed) * time.Hour)
			for i := range jobsEach {
				n := controlplane.NewJob{Job: wire.Job{ID: fmt.Sprint("j/", i)}, Object: map[string]int{"n": i}, Sign: true}
				if _, err := f.EnqueueJob(n); err != nil {
					t.Fatal(err)
				}
			}
			kept := newStore(f.Token("fleet-1"))
			lives := live(t, f, kept, clock, seed)
			checkAgreement(t, f, kept)
			t.Logf("%d lives, %d requests, faults: %v", lives, len(f.Requests()), f.FaultCounts())
		})
	}
}

// live runs the model until all is done, killing it at random requests, and tells how often it was begun.
func live(t *testing.T, f *controlplane.Fake, kept *store, clock fast, seed uint64) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	random := rand.New(rand.NewPCG(seed, 1))
	for lives := 1; ; lives++ {
		life, kill := context.WithCancel(ctx)
		killAt := len(f.Requests()) + 2 + random.IntN(12)
		phase := []controlplane.Phase{controlplane.Before, controlplane.After}[random.IntN(2)]
		f.OnRequest(func(q controlplane.Request) controlplane.Verdict {
			if lives > 5 || q.Number != killAt || q.Phase != phase {
				return controlplane.Proceed
			}
			kill()
			return controlplane.Drop
		})
		client, err := wire.NewClient(wire.Options{Endpoint: f.URL(), ClusterID: "fleet-1", Token: kept.token, Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		a := &agent{client: client, clock: clock, store: kept}
		done := make(chan error, 1)
		go func() { done <- a.run(life) }()
		ended := f.Wait(life, func() bool { return allDone(f) })
		kill()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatalf("the model ended with %v, violations %q", err, f.Violations())
		}
		client.Close()
		if ended == nil {
			return lives
		}
		if ctx.Err() != nil {
			t.Fatalf("not done in time: %+v, violations %q", f.Jobs(), f.Violations())
		}
		f.ClientKilled()
	}
}

// allDone tells whether every job is closed, and every event told; or that there is no use in going on.
func allDone(f *controlplane.Fake) bool {
	if len(f.Violations()) > 0 {
		return true
	}
	for _, j := range f.Jobs() {
		if !j.Closed {
			return false
		}
	}
	return f.EventCount() == jobsEach
}

func checkAgreement(t *testing.T, f *controlplane.Fake, kept *store) {
	t.Helper()
	if got := f.Violations(); len(got) > 0 {
		t.Errorf("violations: %q", got)
	}
	unanswered := 0
	for _, j := range f.Jobs() {
		id := j.Job.ID
		if j.Result == nil {
			unanswered++
		}
		if n := kept.applied[id]; n > 1 || (n == 0 && j.Result != nil) {
			t.Errorf("%s was applied %d times", id, n)
		}
		if j.Result != nil && j.Result.Error != kept.results[id].Error {
			t.Errorf("%s has the result %+v", id, j.Result)
		}
	}
	if counts := f.FaultCounts(); unanswered > counts["404 before"]+counts["409 before"] {
		t.Errorf("%d jobs have no result, faults: %v", unanswered, counts)
	}
	last := int64(0)
	for _, e := range f.Events() {
		if e.Sequence != last+1 {
			t.Errorf("event %d came after %d", e.Sequence, last)
		}
		last = e.Sequence
	}
}
