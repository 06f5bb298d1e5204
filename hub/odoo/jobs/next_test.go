// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vworkspace.io/fleet/hub/odoo/wire"
)

var noon = time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)

func TestNext(t *testing.T) {
	ref := &wire.Ref{Kind: kindOperation, Name: "a"}
	refusal := &Refusal{Outcome: wire.OutcomeFailed, Message: "signature: is missing"}
	cases := []struct {
		name    string
		r       Record
		seen    Seen
		do      Do
		outcome string
		message string // part of it
		refused bool
		phase   string
	}{
		{name: "what has come is acknowledged", r: Record{State: StateReceived}, do: DoAcknowledge},
		{name: "what may be begun is", r: Record{State: StateAcked}, do: DoApply},
		{name: "what was begun is gone on with", r: Record{State: StateAcked}, seen: Seen{Adopted: ref}, do: DoAdopt},
		{
			name: "also when it has expired since", r: Record{State: StateAcked, Job: wire.Job{ExpiresAt: noon}},
			seen: Seen{Now: noon.Add(time.Hour), Adopted: ref}, do: DoAdopt,
		},
		{
			name: "also when it would have been superseded", r: Record{State: StateAcked, Job: wire.Job{IdempotencyKey: "k@1"}},
			seen: Seen{Adopted: ref, Rivals: Rivals{Newest: 2}}, do: DoAdopt,
		},
		{
			name: "what is wrong is refused", r: Record{State: StateAcked}, seen: Seen{Problem: refusal},
			do: DoDecide, outcome: wire.OutcomeFailed, message: "signature: is missing", refused: true,
		},
		{
			name: "before it has expired", r: Record{State: StateAcked, Job: wire.Job{ExpiresAt: noon}}, seen: Seen{Now: noon.Add(-time.Second)}, do: DoApply,
		},
		{
			name: "expired", r: Record{State: StateAcked, Job: wire.Job{ExpiresAt: noon}}, seen: Seen{Now: noon},
			do: DoDecide, outcome: wire.OutcomeNoop, message: "expired: expiresAt is 2030-01-31T12:00:00Z", refused: true,
		},
		{
			name: "a bad signature goes before expiry", r: Record{State: StateAcked, Job: wire.Job{ExpiresAt: noon}}, seen: Seen{Now: noon, Problem: refusal},
			do: DoDecide, outcome: wire.OutcomeFailed, message: "signature", refused: true,
		},
		{
			name: "done before", r: Record{State: StateAcked, Job: wire.Job{IdempotencyKey: "k"}}, seen: Seen{Rivals: Rivals{Twin: "j1"}},
			do: DoDecide, outcome: wire.OutcomeNoop, message: "job j1",
		},
		{
			name: "superseded", r: Record{State: StateAcked, Job: wire.Job{IdempotencyKey: "k@3"}}, seen: Seen{Rivals: Rivals{Newest: 4}},
			do: DoDecide, outcome: wire.OutcomeNoop, message: "superseded by generation 4",
		},
		{name: "the same generation again is not", r: Record{State: StateAcked, Job: wire.Job{IdempotencyKey: "k@4"}}, seen: Seen{Rivals: Rivals{Newest: 4}}, do: DoApply},
		{name: "its turn comes later", r: Record{State: StateAcked}, seen: Seen{Rivals: Rivals{Ahead: "j0"}}, do: DoWait, phase: "Waiting"},
		{name: "something has to go first", r: Record{State: StateAcked}, seen: Seen{Hold: "x is being deleted"}, do: DoWait, phase: "Waiting"},
		{name: "what was made is awaited", r: Record{State: StateApplied, AppliedAt: noon}, seen: Seen{Now: noon, Verdict: Verdict{Status: wire.Status{Phase: "Running"}}}, do: DoWait, phase: "Running"},
		{
			name: "it has ended", r: Record{State: StateApplied, AppliedAt: noon}, seen: Seen{Now: noon, Verdict: Verdict{Outcome: wire.OutcomeSucceeded}},
			do: DoDecide, outcome: wire.OutcomeSucceeded,
		},
		{
			name: "it takes too long", r: Record{State: StateApplied, AppliedAt: noon},
			seen: Seen{Now: noon.Add(time.Hour), Timeout: time.Hour, Verdict: Verdict{Status: wire.Status{Message: "Progressing: installing"}}},
			do:   DoDecide, outcome: wire.OutcomeFailed, message: "last: Progressing: installing",
		},
		{
			name: "the end goes before the timeout", r: Record{State: StateApplied, AppliedAt: noon},
			seen: Seen{Now: noon.Add(time.Hour), Timeout: time.Hour, Verdict: Verdict{Outcome: wire.OutcomeSucceeded}}, do: DoDecide, outcome: wire.OutcomeSucceeded,
		},
		{name: "what is decided is handed in", r: Record{State: StateDecided}, do: DoHandIn},
		{name: "what is closed is over", r: Record{State: StateClosed}, do: DoNothing},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Next(&c.r, &c.seen)
			if got.Do != c.do || got.Outcome != c.outcome || got.Refused != c.refused || got.Status.Phase != c.phase || !strings.Contains(got.Message, c.message) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	if got := refusal(errors.New("x")); got.Outcome != wire.OutcomeFailed || !got.Refused {
		t.Errorf("an error without outcome: %+v", got)
	}
	if got := refusal(&Refusal{Outcome: wire.OutcomeNoop, Message: "not there"}); got.Outcome != wire.OutcomeNoop || got.Refused {
		t.Errorf("nothing to do is no refusal: %+v", got)
	}
}

func TestSplitKey(t *testing.T) {
	cases := map[string]struct {
		prefix     string
		generation int64
	}{
		"":                                {"", 0},
		"any text":                        {"any text", 0},
		"ApplicationInstance/team/shop@7": {"ApplicationInstance/team/shop", 7},
		"a@b@12":                          {"a@b", 12},
		"me@example.com":                  {"me@example.com", 0},
		"x@0":                             {"x@0", 0},
		"x@-1":                            {"x@-1", 0},
		"@5":                              {"@5", 0},
		"x@99999999999999999999999999999": {"x@99999999999999999999999999999", 0},
	}
	for key, want := range cases {
		if prefix, generation := splitKey(key); prefix != want.prefix || generation != want.generation {
			t.Errorf("%q: got %q and %d", key, prefix, generation)
		}
	}
}
