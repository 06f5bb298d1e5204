// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// raw is a client without manners: it sends what it is told to, well-formed unless a test spoils it.
type raw struct {
	t     *testing.T
	fake  *controlplane.Fake
	token string
	at    time.Time
}

func start(t *testing.T) *raw {
	t.Helper()
	f := controlplane.Start(controlplane.Options{})
	t.Cleanup(f.Close)
	return &raw{t: t, fake: f, token: f.Token("fleet-1"), at: time.Now()}
}

// response that a test looks at.
type response struct {
	status int
	header http.Header
	body   string
}

func (r *raw) send(method, path, body string, spoil ...func(*http.Request)) (response, error) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.fake.URL()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("Accept", wire.MediaType)
	if body != "" {
		req.Header.Set("Content-Type", wire.MediaType)
	}
	if method == http.MethodPost {
		r.seal(req, path, body)
	}
	for _, s := range spoil {
		s(req)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, resp.Header, string(got)}, err
}

func (r *raw) seal(req *http.Request, path, body string) {
	r.t.Helper()
	key, err := hkdf.Key(sha256.New, []byte(r.token), nil, "vworkspace.agent.v1 hmac", 32)
	if err != nil {
		r.t.Fatal(err)
	}
	at := strconv.FormatInt(r.at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(req.Method + "\n" + path + "\n" + at + "\n" + body))
	req.Header.Set("X-Vworkspace-Timestamp", at)
	req.Header.Set("X-Vworkspace-Hmac", "v1="+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// must send and be answered with a status.
func (r *raw) must(status int, method, path, body string, spoil ...func(*http.Request)) response {
	r.t.Helper()
	got, err := r.send(method, path, body, spoil...)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	if got.status != status {
		r.t.Fatalf("%s %s: answered %d, want %d: %s", method, path, got.status, status, got.body)
	}
	return got
}

// lost sends and expects no answer, or half of one.
func (r *raw) lost(method, path, body string) {
	r.t.Helper()
	if got, err := r.send(method, path, body); err == nil {
		r.t.Fatalf("%s %s: answered %d", method, path, got.status)
	}
}

// given enqueues job 1, and polls for it.
func (r *raw) given() {
	r.t.Helper()
	if _, err := r.fake.EnqueueJob(controlplane.NewJob{Job: wire.Job{ID: "1", Kind: wire.KindIntent}, Object: map[string]string{"intent": "none"}}); err != nil {
		r.t.Fatal(err)
	}
	if got := r.must(200, "GET", pollNow, ""); !strings.Contains(got.body, `"id":"1"`) {
		r.t.Fatalf("was given %s", got.body)
	}
}

// acked is given, and acknowledged.
func (r *raw) acked() {
	r.t.Helper()
	r.given()
	r.must(204, "POST", "/api/agent/jobs/1/ack", "")
}

const (
	pollNow   = "/api/agent/jobs?cluster=fleet-1&wait=0"
	eventsURL = "/api/agent/events"
	resultURL = "/api/agent/jobs/1/result"
	noop      = `{"outcome":"noop","timestamp":"2026-11-29T12:00:00Z"}`
	succeeded = `{"outcome":"succeeded","timestamp":"2026-11-29T12:00:00Z"}`
	running   = `{"phase":"Running","timestamp":"2026-11-29T12:00:00Z"}`
)

// event of an object, with a sequence.
func event(key, uid string, sequence int) string {
	return `{"eventKey":"` + key + `","kind":"ConditionTransition","resourceRef":{"apiVersion":"v1","kind":"Operation","name":"o","uid":"` + uid +
		`"},"sequence":` + strconv.Itoa(sequence) + `,"timestamp":"2026-11-29T12:00:00Z"}`
}

func batch(events ...string) string { return `{"events":[` + strings.Join(events, ",") + `]}` }
