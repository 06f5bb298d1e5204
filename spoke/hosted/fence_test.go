// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
)

const fenceLasts = 15 * time.Second

// server answers requests when it is told to.
type server struct {
	sent   int
	answer func(*http.Request) error
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	s.sent++
	if s.answer != nil {
		if err := s.answer(req); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func newTestFence(s *server) (*fence, *testingclock.FakePassiveClock, func(method string, path ...string) error) {
	c := testingclock.NewFakePassiveClock(time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC))
	f := newFence(c, fenceLasts)
	through := f.wrap(s)
	return f, c, func(method string, path ...string) error {
		req, err := http.NewRequestWithContext(context.Background(), method, "https://spoke1.example.com/api"+strings.Join(path, ""), http.NoBody)
		if err != nil {
			return err
		}
		res, err := through.RoundTrip(req)
		if err == nil {
			err = res.Body.Close()
		}
		return err
	}
}

// Nothing is sent before the Lease is held, after it was given up, nor when the last renewal was sent too long ago, whoever has noticed.
func TestFenceIsShutByTheClock(t *testing.T) {
	s := &server{}
	f, c, ask := newTestFence(s)
	refused := func(when string) {
		t.Helper()
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if err := ask(method); !errors.Is(err, errNotHeld) {
				t.Errorf("%s: %s got %v, want that it is not sent", when, method, err)
			}
		}
	}
	refused("at first")
	f.renew(c.Now())
	refused("held and not served")
	f.set(true)
	if err := ask(http.MethodPost); err != nil {
		t.Errorf("served: %v", err)
	}
	c.SetTime(c.Now().Add(fenceLasts - time.Millisecond))
	if err := ask(http.MethodPost); err != nil {
		t.Errorf("a moment before the end: %v", err)
	}
	c.SetTime(c.Now().Add(time.Millisecond))
	refused("not renewed")
	f.renew(c.Now())
	if err := ask(http.MethodGet); err != nil {
		t.Errorf("renewed: %v", err)
	}
	f.set(false)
	refused("given up")
	if s.sent != 3 {
		t.Errorf("%d requests were sent, want 3", s.sent)
	}
}

// A cluster is quiet when all that may change it has been answered. A command in a pod is asked for by GET.
func TestFenceWaitsForWhatWasSent(t *testing.T) {
	for _, c := range []struct {
		name, method string
		path         string
		waits        bool
	}{
		{"a read", http.MethodGet, "/v1/pods", false},
		{"a write", http.MethodPost, "/v1/namespaces/shop/pods", true},
		{"a command", http.MethodGet, "/v1/namespaces/shop/pods/web/exec", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			arrived, answered := make(chan struct{}), make(chan struct{})
			f, now, ask := newTestFence(&server{answer: func(*http.Request) error {
				close(arrived)
				<-answered
				return nil
			}})
			f.renew(now.Now())
			f.set(true)
			ended := make(chan error, 1)
			go func() { ended <- ask(c.method, c.path) }()
			<-arrived
			impatient, cancel := context.WithCancel(t.Context())
			cancel()
			if quiet := f.quiet(impatient); quiet == c.waits {
				t.Errorf("quiet while it is under way: %v, want %v", quiet, !c.waits)
			}
			close(answered)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if !f.quiet(t.Context()) {
				t.Error("not quiet when it was answered")
			}
		})
	}
}

// A write that nobody has waited for may be carried out yet: its cluster is not given back before others could have taken it.
func TestFenceRemembersWhatWasBrokenOff(t *testing.T) {
	f, c, ask := newTestFence(&server{answer: func(*http.Request) error { return context.Canceled }})
	f.renew(c.Now())
	f.set(true)
	if err := ask(http.MethodPost); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if f.quiet(t.Context()) {
		t.Error("quiet at once")
	}
	c.SetTime(c.Now().Add(fenceLasts))
	if !f.quiet(t.Context()) {
		t.Error("never quiet again")
	}
}
