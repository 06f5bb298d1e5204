// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"vworkspace.io/fleet/hub/odoo/wire"
)

func TestRequestsAreAsTheProtocolHasThem(t *testing.T) {
	result := wire.Result{Outcome: wire.OutcomeNoop, Timestamp: noon}
	tests := map[string]struct {
		call   func(context.Context, *wire.Client) error
		answer http.HandlerFunc
		want   seen
		hmac   string
	}{
		"a poll": {
			call:   func(ctx context.Context, c *wire.Client) error { _, err := c.Jobs(ctx, 30*time.Second); return err },
			answer: answering(200, `{"jobs":[]}`),
			want:   seen{method: "GET", uri: "/odoo/api/agent/jobs?cluster=fleet-1&wait=30"},
		},
		"a poll that waits too long": {
			call:   func(ctx context.Context, c *wire.Client) error { _, err := c.Jobs(ctx, time.Hour); return err },
			answer: answering(200, `{"jobs":[]}`),
			want:   seen{method: "GET", uri: "/odoo/api/agent/jobs?cluster=fleet-1&wait=300"},
		},
		"a poll that does not wait": {
			call:   func(ctx context.Context, c *wire.Client) error { _, err := c.Jobs(ctx, -time.Second); return err },
			answer: answering(200, `{"jobs":[]}`),
			want:   seen{method: "GET", uri: "/odoo/api/agent/jobs?cluster=fleet-1&wait=0"},
		},
		"an ack": {
			call:   func(ctx context.Context, c *wire.Client) error { return c.Ack(ctx, "7") },
			answer: answering(204, ""),
			want:   seen{method: "POST", uri: "/odoo/api/agent/jobs/7/ack"},
			hmac:   "v1=VnNuPwbOA2zorbCheq4uAgIq4gHymqrUUO3WN-dKVGU",
		},
		"a status": {
			call: func(ctx context.Context, c *wire.Client) error {
				return c.Status(ctx, "7", wire.Status{Phase: "Running", Message: "3/9 <clusters>", Timestamp: noon})
			},
			answer: answering(204, ""),
			want: seen{method: "POST", uri: "/odoo/api/agent/jobs/7/status",
				body: `{"message":"3/9 <clusters>","phase":"Running","timestamp":"2026-11-29T12:00:00Z"}`},
		},
		"a result of a job whose id needs escapes": {
			call:   func(ctx context.Context, c *wire.Client) error { return c.Result(ctx, "a/b", result) },
			answer: answering(204, ""),
			want:   seen{method: "POST", uri: "/odoo/api/agent/jobs/a%2Fb/result", body: `{"outcome":"noop","timestamp":"2026-11-29T12:00:00Z"}`},
			hmac:   "v1=IZ37Atg0YydDl-gKWDxjoEC9PNZ2uk_xvTbxwljoKo8",
		},
		"events": {
			call: func(ctx context.Context, c *wire.Client) error {
				return c.Events(ctx, []wire.Event{{EventKey: "k", Kind: wire.EventHeartbeat, Timestamp: noon, Sequence: 3}})
			},
			answer: answering(204, ""),
			want: seen{method: "POST", uri: "/odoo/api/agent/events", body: `{"events":[{"eventKey":"k","kind":"ClusterHeartbeat",` +
				`"resourceRef":{"apiVersion":"","kind":"","name":""},"sequence":3,"timestamp":"2026-11-29T12:00:00Z"}]}`},
		},
		"a rotation": {
			call:   func(ctx context.Context, c *wire.Client) error { _, err := c.Rotate(ctx); return err },
			answer: answering(200, `{"token":"token-2","expiresAt":"2026-12-29T12:00:00Z"}`),
			want:   seen{method: "POST", uri: "/odoo/api/agent/credentials/rotate", body: `{}`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t, test.answer)
			c := clientWith(t, wire.Options{Endpoint: s.URL + "/odoo/", UserAgent: "hub/1", Clock: clocktesting.NewFakePassiveClock(noon)})
			if err := test.call(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			got := s.requests()
			if len(got) != 1 {
				t.Fatalf("%d requests, want one", len(got))
			}
			header := got[0].header
			got[0].header = nil
			if diff := cmp.Diff(test.want, got[0], cmp.AllowUnexported(seen{})); diff != "" {
				t.Error(diff)
			}
			checkHeaders(t, got[0], header, test.hmac)
		})
	}
}

func checkHeaders(t *testing.T, r seen, header http.Header, hmac string) {
	t.Helper()
	want := map[string]string{"Authorization": "Bearer " + token, "Accept": wire.MediaType, "User-Agent": "hub/1", "Content-Type": "", wire.HeaderTimestamp: ""}
	if r.body != "" {
		want["Content-Type"] = wire.MediaType
	}
	if r.method == http.MethodPost {
		want[wire.HeaderTimestamp] = "1795953600"
	}
	for name, value := range want {
		if got := header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if got := header.Get(wire.HeaderHMAC); (got != "") != (r.method == http.MethodPost) {
		t.Errorf("%s is %q with %s", wire.HeaderHMAC, got, r.method)
	}
	// Made by another implementation: Python's hmac.
	if got := header.Get(wire.HeaderHMAC); hmac != "" && got != hmac {
		t.Errorf("%s is %q, want %q", wire.HeaderHMAC, got, hmac)
	}
}

func TestRegisterSendsNoHMACAndNoCluster(t *testing.T) {
	s := serve(t, answering(200, `{"clusterId":"fleet-1","token":"token-1","new":true}`))
	got, err := wire.Register(t.Context(), wire.Options{Endpoint: s.URL}, wire.Registration{RegistrationToken: "once", DisplayName: "the hub"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wire.Credentials{ClusterID: "fleet-1", Token: "token-1"}, got); diff != "" {
		t.Error(diff)
	}
	r := s.requests()[0]
	if r.uri != "/api/agent/register" || r.body != `{"displayName":"the hub","registrationToken":"once"}` || r.header.Get("Authorization") != "Bearer once" {
		t.Errorf("asked %s %s", r.uri, r.body)
	}
	if r.header.Get(wire.HeaderHMAC) != "" {
		t.Error("registered with an HMAC, which the other side has no key for yet")
	}
}

func TestCredentialsThatCannotBeUsedAreRefused(t *testing.T) {
	tests := map[string]struct{ answer, want string }{
		"no identity":           {`{"token":"token-1"}`, "the answer has no clusterId"},
		"no token":              {`{"clusterId":"fleet-1"}`, "the answer's token is missing"},
		"a token with a break":  {`{"clusterId":"fleet-1","token":"secret\n"}`, "the answer's token has a space, a line break"},
		"no token in the field": {`{"clusterId":"fleet-1","token":7}`, `field "token" must not be a JSON number`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answering(200, test.answer))
			_, err := wire.Register(t.Context(), wire.Options{Endpoint: s.URL}, wire.Registration{RegistrationToken: "once"})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if test.want == "the answer has no clusterId" {
				return
			}
			if _, err := clientOf(t, s).Rotate(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("rotated with %v, want %q", err, test.want)
			}
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	const endpoint = "endpoint must be an http or https URL"
	tests := map[string]struct {
		options wire.Options
		want    string
	}{
		"no endpoint":       {wire.Options{ClusterID: "c", Token: "t"}, endpoint},
		"another scheme":    {wire.Options{Endpoint: "ftp://odoo.example.com", ClusterID: "c", Token: "t"}, endpoint},
		"a password in it":  {wire.Options{Endpoint: "https://me:secret@odoo.example.com", ClusterID: "c", Token: "t"}, endpoint},
		"a query in it":     {wire.Options{Endpoint: "https://odoo.example.com?token=secret", ClusterID: "c", Token: "t"}, endpoint},
		"not a URL":         {wire.Options{Endpoint: "https://odoo.example.com/%secret", ClusterID: "c", Token: "t"}, endpoint},
		"no identity":       {wire.Options{Endpoint: "https://odoo.example.com", Token: "t"}, "clusterId is missing"},
		"no token":          {wire.Options{Endpoint: "https://odoo.example.com", ClusterID: "c"}, "token is missing"},
		"a token's newline": {wire.Options{Endpoint: "https://odoo.example.com", ClusterID: "c", Token: "secret\n"}, "token has a space"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := wire.NewClient(test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %q and no secret", err, test.want)
			}
		})
	}
	if _, err := wire.Register(t.Context(), wire.Options{Endpoint: "https://odoo.example.com"}, wire.Registration{}); err == nil {
		t.Error("registered without a registration token")
	}
	if _, err := wire.Register(t.Context(), wire.Options{}, wire.Registration{RegistrationToken: "once"}); err == nil {
		t.Error("registered nowhere")
	}
}

func TestWhatMustNotBeSentIsNot(t *testing.T) {
	s := serve(t, answering(204, ""))
	c := clientOf(t, s)
	for _, id := range []string{"", ".", ".."} {
		if err := c.Ack(t.Context(), id); !wire.Rejected(err) || wire.Temporary(err) {
			t.Errorf("job %q: got %v", id, err)
		}
	}
	if err := c.Events(t.Context(), make([]wire.Event, wire.MaxEvents+1)); !wire.Rejected(err) {
		t.Errorf("too many events: got %v", err)
	}
	if err := c.Events(t.Context(), nil); err != nil {
		t.Errorf("no events: got %v", err)
	}
	if got := s.requests(); len(got) != 0 {
		t.Errorf("sent %v", got)
	}
}

func TestJobsAreReadOneByOne(t *testing.T) {
	s := serve(t, answering(200, `{"more":1,"jobs":[
		{"id":"1","kind":"apply","payload":{"kind":"Operation"},"idempotencyKey":"k","createdAt":"2026-11-29T12:00:00Z","requestedBy":"ada","malformed":"no","new":1},
		{"id":"2","expiresAt":"tomorrow"}, {"id":"3","kind":{"secret":1}}, {"id":4}, {"kind":"apply"}, null, "x"]}`))
	got, err := clientOf(t, s).Jobs(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	const noID = "it is not an object with an id"
	want := []wire.Job{
		{ID: "1", Kind: wire.KindApply, Payload: []byte(`{"kind":"Operation"}`), IdempotencyKey: "k", CreatedAt: noon, RequestedBy: "ada"},
		{ID: "2", Malformed: "its createdAt and expiresAt must be times in RFC 3339"},
		{ID: "3", Malformed: "its field kind must not be a JSON object"},
		{Malformed: noID}, {Malformed: noID}, {Malformed: noID}, {Malformed: noID},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithTokenKeepsTheClock(t *testing.T) {
	s := serve(t, answering(204, ""))
	c := clientWith(t, wire.Options{Endpoint: s.URL, Clock: clocktesting.NewFakePassiveClock(noon.Add(-time.Hour))})
	if err := c.Ack(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	other, err := c.WithToken("token-2")
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Ack(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	got := s.requests()
	if !other.Now().Equal(noon) || got[1].header.Get(wire.HeaderTimestamp) != "1795953600" {
		t.Errorf("the other client's clock says %s", other.Now())
	}
	if got[1].header.Get("Authorization") != "Bearer token-2" || got[0].header.Get(wire.HeaderHMAC) == got[1].header.Get(wire.HeaderHMAC) {
		t.Error("the other client still uses the old token")
	}
	if _, err := c.WithToken(""); err == nil {
		t.Error("took an empty token")
	}
}
