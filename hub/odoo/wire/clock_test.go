// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"vworkspace.io/fleet/hub/odoo/wire"
)

const skewed = `{"error":"clock_skew","message":"your clock is wrong"}`

func TestTheControlPlanesClockIsKept(t *testing.T) {
	for name, date := range map[string]string{"Date": noon.Format(http.TimeFormat), "no Date": "", "a wrong Date": "noon"} {
		t.Run(name, func(t *testing.T) {
			ours := noon.Add(-7 * time.Hour)
			c := clientWith(t, wire.Options{Endpoint: serve(t, answering(204, "", "Date", date)).URL, Clock: clocktesting.NewFakePassiveClock(ours)})
			if got := c.Now(); !got.Equal(ours) {
				t.Errorf("it is %s before anybody was asked", got)
			}
			if err := c.Ack(t.Context(), "7"); err != nil {
				t.Fatal(err)
			}
			want := ours
			if name == "Date" {
				want = noon
			}
			if got := c.Now(); !got.Equal(want) {
				t.Errorf("it is %s, want %s", got, want)
			}
		})
	}
}

func TestAClockThatIsCloseEnoughIsLeftAlone(t *testing.T) {
	for ours, want := range map[time.Time]time.Time{
		noon.Add(1900 * time.Millisecond):  noon.Add(1900 * time.Millisecond),
		noon.Add(-1900 * time.Millisecond): noon.Add(-1900 * time.Millisecond),
		noon.Add(2100 * time.Millisecond):  noon,
	} {
		c := clientWith(t, wire.Options{Endpoint: serve(t, answering(204, "")).URL, Clock: clocktesting.NewFakePassiveClock(ours)})
		for range 2 {
			if err := c.Ack(t.Context(), "7"); err != nil {
				t.Fatal(err)
			}
			if got := c.Now(); !got.Equal(want) {
				t.Errorf("it is %s, want %s", got, want)
			}
		}
	}
}

func TestTheClockOfSomethingElseIsNot(t *testing.T) {
	s := serve(t, answering(502, "", "Content-Type", "text/html"))
	c := clientWith(t, wire.Options{Endpoint: s.URL, Clock: clocktesting.NewFakePassiveClock(noon.Add(time.Hour))})
	if err := c.Ack(t.Context(), "7"); err == nil {
		t.Fatal("no error")
	}
	if got := c.Now(); !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("a proxy has set the clock to %s", got)
	}
}

func TestAPostRefusedForItsTimeIsSentOnceMore(t *testing.T) {
	tests := map[string]struct {
		answers []http.HandlerFunc
		asked   int
		ok      bool
	}{
		"taken then":          {[]http.HandlerFunc{answering(401, skewed), answering(204, "")}, 2, true},
		"refused again":       {[]http.HandlerFunc{answering(401, skewed), answering(401, skewed)}, 2, false},
		"no time to go by":    {[]http.HandlerFunc{answering(401, skewed, "Date", "")}, 1, false},
		"refused for another": {[]http.HandlerFunc{answering(401, problem)}, 1, false},
		"another status":      {[]http.HandlerFunc{answering(400, skewed)}, 1, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answers := make(chan http.HandlerFunc, len(test.answers))
			for _, a := range test.answers {
				answers <- a
			}
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				select {
				case a := <-answers:
					a(w, r)
				default:
					t.Error("asked too often")
				}
			})
			c := clientWith(t, wire.Options{Endpoint: s.URL, Clock: clocktesting.NewFakePassiveClock(noon.Add(time.Hour))})
			if err := c.Result(t.Context(), "7", wire.Result{Outcome: wire.OutcomeNoop, Timestamp: noon}); (err == nil) != test.ok {
				t.Errorf("got %v", err)
			}
			got := s.requests()
			if len(got) != test.asked {
				t.Fatalf("asked %d times, want %d", len(got), test.asked)
			}
			if test.asked == 2 {
				if got[0].body != got[1].body {
					t.Error("the second body is another one")
				}
				if at := got[1].header.Get(wire.HeaderTimestamp); at != "1795953600" {
					t.Errorf("the second is of %s", at)
				}
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	// Our clock is an hour slow, and dates are by the other side's.
	tests := map[string]struct {
		value string
		want  time.Duration
	}{
		"seconds":       {"120", 2 * time.Minute},
		"none":          {"", 0},
		"nothing known": {"soon", 0},
		"negative":      {"-5", 0},
		"a date":        {noon.Add(time.Minute).Format(http.TimeFormat), time.Minute},
		"a past date":   {noon.Add(-time.Minute).Format(http.TimeFormat), 0},
		"years":         {"99999999", 24 * time.Hour},
		"a far date":    {noon.AddDate(9, 0, 0).Format(http.TimeFormat), 24 * time.Hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answering(503, problem, "Retry-After", test.value))
			c := clientWith(t, wire.Options{Endpoint: s.URL, Clock: clocktesting.NewFakePassiveClock(noon.Add(-time.Hour))})
			err := c.Ack(t.Context(), "7")
			if got := wire.RetryAfter(err); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestNothingIsAskedWhileItWantsToBeLeftAlone(t *testing.T) {
	s := serve(t, answering(429, problem, "Retry-After", "60"))
	clock := clocktesting.NewFakePassiveClock(noon)
	c := clientWith(t, wire.Options{Endpoint: s.URL, Clock: clock})
	if err := c.Ack(t.Context(), "7"); !wire.RateLimited(err) {
		t.Fatalf("got %v", err)
	}
	clock.SetTime(noon.Add(59 * time.Second))
	other, err := c.WithToken("token-2")
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.Jobs(t.Context(), 0)
	if !wire.RateLimited(err) || wire.RetryAfter(err) != time.Second || !strings.HasPrefix(err.Error(), "GET /api/agent/jobs: answered 429") {
		t.Errorf("got %v after %s", err, wire.RetryAfter(err))
	}
	if got := len(s.requests()); got != 1 {
		t.Errorf("asked %d times", got)
	}
	clock.SetTime(noon.Add(time.Minute))
	if err := c.Ack(t.Context(), "7"); !wire.RateLimited(err) || len(s.requests()) != 2 {
		t.Errorf("got %v, asked %d times", err, len(s.requests()))
	}
}

func TestBackoff(t *testing.T) {
	var b wire.Backoff
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300} {
		want *= time.Second
		if got := b.After(nil); got < want || got > min(want*3/2, 5*time.Minute) {
			t.Errorf("failure %d: %s, want from %s on", i, got, want)
		}
	}
	if got := b.After(&wire.Error{Status: 429, RetryAfter: time.Hour}); got != time.Hour {
		t.Errorf("asked to wait an hour, it waits %s", got)
	}
	b.Reset()
	if got := b.After(nil); got < time.Second || got > 3*time.Second/2 {
		t.Errorf("after a success: %s", got)
	}
}
