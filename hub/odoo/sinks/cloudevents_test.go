// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"

	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/wire"
)

func TestCloudEvents(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	events := []wire.Event{
		{EventKey: "condition/a#1", Kind: wire.EventCondition, ResourceRef: wire.Ref{Kind: "Operation", Namespace: "team", Name: "nightly"}, Timestamp: at},
		{EventKey: "result/a", Kind: wire.EventClusterResult, ResourceRef: wire.Ref{Kind: "Operation", Namespace: "team", Name: "nightly"}, Cluster: "eu-3", Timestamp: at},
	}
	for name, c := range map[string]struct {
		fake            *controlplane.FakeCloudEvents
		requests, again int
	}{
		"a receiver of batches":          {fake: &controlplane.FakeCloudEvents{}, requests: 2, again: 2},
		"one that takes one at a time":   {fake: &controlplane.FakeCloudEvents{NoBatches: true}, requests: 5, again: 2},
		"one whose first answer is lost": {fake: &controlplane.FakeCloudEvents{Fault: firstFault(controlplane.ReceiverFault{Reset: true, Took: true})}, requests: 3, again: 4},
	} {
		t.Run(name, func(t *testing.T) {
			fake := c.fake
			fake.Token = secretKey
			server := httptest.NewServer(fake)
			defer server.Close()
			sink, err := NewCloudEvents("auditsink/ce", server.URL+"/default?x=y", secretKey, nil)
			if err != nil {
				t.Fatal(err)
			}
			for delivered := 0; delivered < 2; {
				if sink.Deliver(context.Background(), events) == nil {
					delivered++
				}
			}
			got := fake.Events()
			if len(got) != 2 || len(fake.Wrong()) > 0 {
				t.Fatalf("events %v, wrong %v", got, fake.Wrong())
			}
			if requests, again := fake.Requests(); requests != c.requests || again != c.again {
				t.Errorf("%d requests and %d events again, want %d and %d", requests, again, c.requests, c.again)
			}
			checkEvent(t, got[1], events[1])
		})
	}
}

func checkEvent(t *testing.T, e cloudevents.Event, want wire.Event) {
	t.Helper()
	if e.ID() != "result/a" || e.Type() != "io.vworkspace.ops.clusterresult" || e.Source() != "/vworkspace/hub" || e.Subject() != "Operation/team/nightly" ||
		!e.Time().Equal(want.Timestamp) || e.Extensions()["cluster"] != "eu-3" {
		t.Errorf("the event is\n%s", e)
	}
	var data wire.Event
	if err := e.DataAs(&data); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, data); diff != "" {
		t.Error(diff)
	}
}

func firstFault(f controlplane.ReceiverFault) func(int) controlplane.ReceiverFault {
	return func(n int) controlplane.ReceiverFault {
		if n == 0 {
			return f
		}
		return controlplane.ReceiverFault{}
	}
}

// TestCloudEventRefused: one event that is refused for what it is holds up no other; a batch that is too large is told one by one.
func TestCloudEventRefused(t *testing.T) {
	var taken []string
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != mediaEvent {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		var e struct{ ID string }
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || e.ID == "2" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		taken = append(taken, e.ID)
	}))
	defer receiver.Close()
	s, err := NewCloudEvents("auditsink/a", receiver.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var events []wire.Event
	for _, key := range []string{"1", "2", "3"} {
		events = append(events, wire.Event{EventKey: key, Kind: wire.EventCondition, Timestamp: time.Unix(1700000000, 0)})
	}
	if err := s.Deliver(t.Context(), events); err != nil || strings.Join(taken, ",") != "1,3" {
		t.Errorf("taken %v: %v", taken, err)
	}
}

func TestCloudEventsErrors(t *testing.T) {
	for name, c := range map[string]struct {
		fault controlplane.ReceiverFault
		want  string
		after time.Duration
	}{
		"too many requests": {controlplane.ReceiverFault{Status: 429, RetryAfter: "120"}, "it answers 429 Too Many Requests", 2 * time.Minute},
		"an error of its":   {controlplane.ReceiverFault{Status: 503}, "it answers 503 Service Unavailable", 0},
		"a redirection":     {controlplane.ReceiverFault{Status: 307}, "it answers 307 Temporary Redirect", 0},
		"no answer":         {controlplane.ReceiverFault{Reset: true}, "it does not answer", 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(&controlplane.FakeCloudEvents{Fault: func(int) controlplane.ReceiverFault { return c.fault }})
			defer server.Close()
			sink, err := NewCloudEvents("auditsink/ce", server.URL+"?token="+secretKey, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			err = sink.Deliver(context.Background(), []wire.Event{{EventKey: "a", Kind: wire.EventCondition, Timestamp: time.Now()}})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secretKey) {
				t.Fatalf("error %v, want %q in it and no key", err, c.want)
			}
			var asks interface{ RetryAfter() time.Duration }
			if errors.As(err, &asks) && asks.RetryAfter() != c.after {
				t.Errorf("retry after %s, want %s", asks.RetryAfter(), c.after)
			}
		})
	}
	if _, err := NewCloudEvents("auditsink/ce", "https://x", "", []byte("no PEM")); err == nil || !strings.Contains(err.Error(), "ca.crt") {
		t.Errorf("error %v, want one that names ca.crt", err)
	}
}
