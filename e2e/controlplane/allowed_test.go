// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"testing"
	"time"

	"vworkspace.io/fleet/e2e/controlplane"
)

// What the protocol allows is no violation, though it is close to one.
func TestWhatIsAllowedIsNotReported(t *testing.T) {
	faultAt := func(n int, fault controlplane.Fault) func(*raw) {
		return func(r *raw) { r.fake.SetFaults(controlplane.Schedule(map[int]controlplane.Fault{n: fault})) }
	}
	// The result of an acknowledged job is the third request.
	const third = 3
	again := func(r *raw) { r.must(409, "POST", resultURL, noop) }
	tests := map[string]struct {
		arrange func(*raw)
		commit  func(*raw)
	}{
		"any number of statuses": {nil, func(r *raw) {
			r.acked()
			for range 3 {
				r.must(204, "POST", "/api/agent/jobs/1/status", running)
			}
			r.must(204, "POST", resultURL, noop)
		}},
		"an ack again": {nil, func(r *raw) { r.acked(); r.must(204, "POST", "/api/agent/jobs/1/ack", "") }},
		"the result again, after its answer was not sent": {faultAt(third, controlplane.Fault{Reset: true, TookEffect: true}), func(r *raw) {
			r.acked()
			r.lost("POST", resultURL, noop)
			again(r)
		}},
		"the result again, after its answer was cut": {faultAt(third, controlplane.Fault{Cut: true}), func(r *raw) {
			r.acked()
			r.lost("POST", resultURL, noop)
			again(r)
		}},
		"the result again, after another answer": {faultAt(third, controlplane.Fault{MediaType: "text/html"}), func(r *raw) {
			r.acked()
			r.must(200, "POST", resultURL, noop)
			again(r)
		}},
		"the result again, after the client was killed": {nil, func(r *raw) {
			r.acked()
			r.must(204, "POST", resultURL, noop)
			r.fake.ClientKilled()
			again(r)
		}},
		"the result again, after the control plane was away": {nil, func(r *raw) {
			r.acked()
			r.must(204, "POST", resultURL, noop)
			r.fake.Leave()
			r.lost("POST", resultURL, noop)
			r.fake.Return()
			again(r)
		}},
		"the result again, after the job was given again": {nil, func(r *raw) {
			r.acked()
			r.must(204, "POST", resultURL, noop)
			r.fake.Redeliver("1")
			r.must(200, "GET", pollNow, "")
			again(r)
		}},
		"the result, after the first was refused": {faultAt(third, controlplane.Fault{Status: 401}), func(r *raw) {
			r.acked()
			r.must(401, "POST", resultURL, noop)
			r.must(204, "POST", resultURL, succeeded)
		}},
		"what is said of a job that was given up": {nil, func(r *raw) {
			r.acked()
			r.fake.CloseJob("1")
			r.must(409, "POST", "/api/agent/jobs/1/ack", "")
			r.must(409, "POST", "/api/agent/jobs/1/status", running)
			r.must(409, "POST", resultURL, noop)
		}},
		"events told again": {nil, func(r *raw) {
			r.must(204, "POST", eventsURL, batch(event("a", "u", 1), event("b", "u", 2)))
			r.must(204, "POST", eventsURL, batch(event("a", "u", 1), event("b", "u", 2), event("c", "u", 2)))
		}},
		"events of several objects": {nil, func(r *raw) { r.must(204, "POST", eventsURL, batch(event("a", "u", 2), event("b", "v", 1))) }},
		"a poll after a 401": {faultAt(1, controlplane.Fault{Status: 401}), func(r *raw) {
			r.must(401, "GET", pollNow, "")
			r.must(200, "GET", pollNow, "")
		}},
		"a poll after a 403 that somebody has seen to": {faultAt(1, controlplane.Fault{Status: 403}), func(r *raw) {
			r.must(403, "GET", pollNow, "")
			r.fake.Repaired()
			r.must(200, "GET", pollNow, "")
		}},
		"a poll of another client after a 429": {faultAt(1, controlplane.Fault{Status: 429, RetryAfter: time.Hour}), func(r *raw) {
			r.must(429, "GET", pollNow, "")
			r.fake.ClientKilled()
			r.must(200, "GET", pollNow, "")
		}},
		"a post that was on its way when a poll was answered 429": {faultAt(1, controlplane.Fault{Status: 429, RetryAfter: time.Hour}), func(r *raw) {
			r.must(429, "GET", pollNow, "")
			r.must(204, "POST", eventsURL, batch(event("a", "u", 1)))
		}},
		"a poll after a 5xx, in time": {faultAt(1, controlplane.Fault{Status: 503}), func(r *raw) {
			r.must(503, "GET", pollNow, "")
			<-time.After(time.Second)
			r.must(200, "GET", pollNow, "")
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			if test.arrange != nil {
				test.arrange(r)
			}
			test.commit(r)
			if got := r.fake.Violations(); len(got) > 0 {
				t.Errorf("reported %q", got)
			}
		})
	}
}

func TestARepeatIsAllowedOncePerReason(t *testing.T) {
	r := start(t)
	r.acked()
	r.must(204, "POST", resultURL, noop)
	for range 2 {
		r.fake.ClientKilled()
		r.must(409, "POST", resultURL, noop)
	}
	r.fake.Redeliver("1")
	r.must(200, "GET", pollNow, "")
	r.must(409, "POST", resultURL, noop)
	if got := r.fake.Violations(); len(got) > 0 {
		t.Fatalf("reported %q", got)
	}
	r.must(409, "POST", resultURL, noop)
	if got := r.fake.Violations(); len(got) != 1 {
		t.Errorf("reported %q", got)
	}
}

func TestAResultThatWasHeldUpMayMeetItsRepeat(t *testing.T) {
	r := start(t)
	r.acked()
	held := make(chan struct{})
	r.fake.OnRequest(func(q controlplane.Request) controlplane.Verdict {
		if q.Number == 3 && q.Phase == controlplane.Before {
			close(held)
		}
		return controlplane.Proceed
	})
	r.fake.SetFaults(controlplane.Schedule(map[int]controlplane.Fault{3: {Latency: 300 * time.Millisecond}}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The client has given it up by then.
		if got, err := r.send("POST", resultURL, noop); err != nil || got.status != 409 {
			t.Errorf("got %v, %v", got, err)
		}
	}()
	<-held
	r.must(204, "POST", resultURL, noop)
	<-done
	if got := r.fake.Violations(); len(got) > 0 {
		t.Errorf("reported %q", got)
	}
	if got := r.fake.Job("1"); got.Results != 2 || got.Result == nil {
		t.Errorf("got %+v", got)
	}
}
