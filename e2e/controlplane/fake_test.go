// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/wire"
)

func TestAJobIsGivenUntilItIsAcknowledged(t *testing.T) {
	r := start(t)
	r.given()
	given := func(want bool) {
		t.Helper()
		if got := r.must(200, "GET", pollNow, ""); strings.Contains(got.body, `"id":"1"`) != want {
			t.Errorf("was given %s", got.body)
		}
	}
	given(true)
	r.must(204, "POST", "/api/agent/jobs/1/ack", "")
	given(false)
	r.fake.Redeliver("1")
	given(true)
	given(false)
	r.must(204, "POST", resultURL, succeeded)
	given(false)
	got := r.fake.Job("1")
	if !got.Acked || !got.Closed || got.Acks != 1 || got.Deliveries != 3 || got.Result.Outcome != wire.OutcomeSucceeded {
		t.Errorf("got %+v", got)
	}
	if got := r.fake.Job("2"); got.Job.ID != "" {
		t.Errorf("there is a job %+v", got)
	}
}

func TestAPollWaitsForJobs(t *testing.T) {
	r := start(t)
	r.fake.OnRequest(func(q controlplane.Request) controlplane.Verdict {
		if q.Phase == controlplane.Before {
			go func() {
				if _, err := r.fake.EnqueueJob(controlplane.NewJob{Job: wire.Job{ID: "1"}}); err != nil {
					t.Error(err)
				}
			}()
		}
		return controlplane.Proceed
	})
	began := time.Now()
	if got := r.must(200, "GET", "/api/agent/jobs?cluster=fleet-1&wait=60", ""); !strings.Contains(got.body, `"id":"1"`) {
		t.Errorf("was given %s", got.body)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestAPollThatWaitsEndsWithTheFake(t *testing.T) {
	r := start(t)
	r.fake.OnRequest(func(controlplane.Request) controlplane.Verdict {
		go r.fake.Close()
		return controlplane.Proceed
	})
	// Whether it is answered or cut off does not matter.
	_, _ = r.send("GET", "/api/agent/jobs?cluster=fleet-1&wait=300", "")
}

func TestEachIdentityHasItsJobs(t *testing.T) {
	r := start(t)
	for id, cluster := range map[string]string{"1": "", "2": "fleet-2"} {
		if _, err := r.fake.EnqueueJob(controlplane.NewJob{Job: wire.Job{ID: id}, Cluster: cluster}); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.must(200, "GET", pollNow, ""); !strings.Contains(got.body, `"id":"1"`) || strings.Contains(got.body, `"id":"2"`) {
		t.Errorf("the first was given %s", got.body)
	}
	r.token = r.fake.Token("fleet-2")
	if got := r.must(200, "GET", strings.Replace(pollNow, "-1", "-2", 1), ""); strings.Contains(got.body, `"id":"1"`) || !strings.Contains(got.body, `"id":"2"`) {
		t.Errorf("the second was given %s", got.body)
	}
	if _, err := r.fake.EnqueueJob(controlplane.NewJob{Job: wire.Job{ID: "1"}}); err == nil {
		t.Error("took a second job of one id")
	}
}

func TestEventsAreKeptOnceAndCounted(t *testing.T) {
	r := start(t)
	r.must(204, "POST", eventsURL, batch(event("a", "u", 1), event("b", "u", 2)))
	r.must(204, "POST", eventsURL, batch(event("a", "u", 1), event("c", "u", 3)))
	var keys []string
	for _, e := range r.fake.Events() {
		keys = append(keys, e.EventKey)
	}
	if got := strings.Join(keys, ""); got != "abc" || r.fake.EventCount() != 3 || len(r.fake.Deliveries()) != 4 || r.fake.Duplicates() != 1 {
		t.Errorf("kept %s of %d, with %d repeated", got, len(r.fake.Deliveries()), r.fake.Duplicates())
	}
}

func TestTheClockCanBeWrong(t *testing.T) {
	r := start(t)
	r.fake.SetClockSkew(time.Hour)
	got := r.must(401, "POST", eventsURL, batch(event("a", "u", 1)))
	if !strings.Contains(got.body, `"clock_skew"`) {
		t.Errorf("answered %s", got.body)
	}
	date, err := http.ParseTime(got.header.Get("Date"))
	if err != nil || time.Until(date) < 50*time.Minute {
		t.Errorf("says that it is %s, %v", date, err)
	}
	r.at = date
	r.must(204, "POST", eventsURL, batch(event("a", "u", 1)))
	if got := r.fake.Violations(); len(got) > 0 {
		t.Errorf("reported %q", got)
	}
}

func TestRequestsAreKept(t *testing.T) {
	r := start(t)
	r.fake.SetFaults(controlplane.Schedule(map[int]controlplane.Fault{2: {Status: 503, TookEffect: true}}))
	r.given()
	r.must(503, "POST", "/api/agent/jobs/1/ack", "")
	if !r.fake.Job("1").Acked {
		t.Error("the ack took no effect")
	}
	got := r.fake.Requests()
	if len(got) != 2 || got[0].Operation != controlplane.Poll || got[1].Operation != controlplane.Ack || got[1].Job != "1" || got[1].Status != 503 ||
		got[1].Fault != "503 after" || got[1].Number != 2 || got[1].Nth != 1 {
		t.Errorf("got %+v", got)
	}
	if counts := r.fake.FaultCounts(); len(counts) != 1 || counts["503 after"] != 1 {
		t.Errorf("counted %v", counts)
	}
}

func TestAClientCanBeKilledAtAnyRequest(t *testing.T) {
	for _, phase := range []controlplane.Phase{controlplane.Before, controlplane.After} {
		t.Run(string(phase), func(t *testing.T) {
			r := start(t)
			r.acked()
			r.fake.OnRequest(func(q controlplane.Request) controlplane.Verdict {
				if q.Number == 3 && q.Phase == phase {
					return controlplane.Drop
				}
				return controlplane.Proceed
			})
			r.lost("POST", resultURL, noop)
			if got := r.fake.Job("1").Result != nil; got != (phase == controlplane.After) {
				t.Errorf("there is a result: %v", got)
			}
			want := map[controlplane.Phase]int{controlplane.Before: 204, controlplane.After: 409}[phase]
			r.must(want, "POST", resultURL, noop)
			if got := r.fake.Violations(); len(got) > 0 {
				t.Errorf("reported %q", got)
			}
		})
	}
}

func TestTheFakeCanBeAway(t *testing.T) {
	r := start(t)
	r.must(200, "GET", pollNow, "")
	r.fake.Leave()
	for range 3 {
		r.lost("GET", pollNow, "")
	}
	r.fake.Return()
	r.must(200, "GET", pollNow, "")
}

func TestLeavingEndsWhatWaits(t *testing.T) {
	r := start(t)
	r.fake.OnRequest(func(controlplane.Request) controlplane.Verdict {
		go r.fake.Leave()
		return controlplane.Proceed
	})
	r.lost("GET", "/api/agent/jobs?cluster=fleet-1&wait=300", "")
}

func TestWait(t *testing.T) {
	r := start(t)
	r.acked()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if got, err := r.fake.WaitResult(t.Context(), "1"); err != nil || got.Outcome != wire.OutcomeNoop {
			t.Errorf("got %+v, %v", got, err)
		}
	}()
	r.must(204, "POST", resultURL, noop)
	<-done
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.fake.WaitResult(gone, "2"); err == nil {
		t.Error("has a result of a job that isn't there")
	}
}

func TestOverTLSWithACertificateOfTheClients(t *testing.T) {
	f := controlplane.Start(controlplane.Options{TLS: &tls.Config{ClientAuth: tls.RequireAnyClientCert}})
	defer f.Close()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(f.CA()) {
		t.Fatal("no certificate")
	}
	o := wire.Options{Endpoint: f.URL(), ClusterID: "fleet-1", Token: f.Token("fleet-1"), TLS: &tls.Config{RootCAs: roots}}
	without, err := wire.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := without.Jobs(t.Context(), 0); err == nil {
		t.Error("was let in without a certificate")
	}
	o.TLS.Certificates = []tls.Certificate{certificate(t)}
	with, err := wire.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := with.Jobs(t.Context(), 0); err != nil {
		t.Error(err)
	}
}
