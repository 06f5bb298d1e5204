// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// noon is what the tests' clocks say.
var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

const token = "token-1"

// seen is a request as the server got it.
type seen struct {
	method, uri, body string
	header            http.Header
}

// server answers every request with the same handler, and keeps what it saw.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	seen []seen
}

func serve(t *testing.T, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.seen = append(s.seen, seen{method: r.Method, uri: r.RequestURI, body: string(body), header: r.Header.Clone()})
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.seen...)
}

// answering writes one answer in the protocol's media type, at noon.
func answering(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", wire.MediaType)
		w.Header().Set("Date", noon.Format(http.TimeFormat))
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func clientOf(t *testing.T, s *server) *wire.Client {
	t.Helper()
	return clientWith(t, wire.Options{Endpoint: s.URL, Clock: clocktesting.NewFakePassiveClock(noon)})
}

func clientWith(t *testing.T, o wire.Options) *wire.Client {
	t.Helper()
	o.ClusterID, o.Token = "fleet-1", token
	c, err := wire.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
