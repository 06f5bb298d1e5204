// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"vworkspace.io/fleet/hub/odoo/wire"
)

const problem = `{"error":"some_code","message":"some text","requestId":"r-1"}`

// verdict is what the predicates say.
type verdict struct{ closed, unauthorized, forbidden, limited, rejected, temporary bool }

func verdictOn(err error) verdict {
	return verdict{wire.Closed(err), wire.Unauthorized(err), wire.Forbidden(err), wire.RateLimited(err), wire.Rejected(err), wire.Temporary(err)}
}

func TestEveryStatusSaysWhatToDo(t *testing.T) {
	temporary := verdict{temporary: true}
	tests := map[int]verdict{
		200: temporary, 201: temporary, 206: temporary,
		301: temporary, 302: temporary, 303: temporary, 304: temporary, 307: temporary, 308: temporary,
		400: {rejected: true}, 401: {unauthorized: true}, 402: {rejected: true}, 403: {forbidden: true}, 404: {closed: true}, 405: {rejected: true},
		406: {rejected: true}, 408: temporary, 409: {closed: true}, 410: {rejected: true}, 413: {rejected: true}, 415: {rejected: true},
		422: {rejected: true}, 425: temporary, 429: {limited: true, temporary: true},
		500: temporary, 501: temporary, 502: temporary, 503: temporary, 504: temporary, 599: temporary,
	}
	for status, want := range tests {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			s := serve(t, answering(status, problem))
			err := clientOf(t, s).Ack(t.Context(), "7")
			if got := verdictOn(fmt.Errorf("wrapped: %w", err)); got != want {
				t.Errorf("%v: got %+v, want %+v", err, got, want)
			}
			if text := fmt.Sprintf("POST /api/agent/jobs/7/ack: answered %d", status); !strings.HasPrefix(err.Error(), text) {
				t.Errorf("%q does not begin with %q", err, text)
			}
			if status >= 400 && !strings.HasSuffix(err.Error(), "some_code: some text (request r-1)") {
				t.Errorf("%q leaves out what the answer says", err)
			}
			if got := len(s.requests()); got != 1 {
				t.Errorf("asked %d times", got)
			}
		})
	}
}

func TestOnlyAJobCanBeClosed(t *testing.T) {
	tests := map[int]verdict{404: {temporary: true}, 409: {rejected: true}}
	for status, want := range tests {
		s := serve(t, answering(status, problem))
		_, err := clientOf(t, s).Jobs(t.Context(), 0)
		if got := verdictOn(err); got != want {
			t.Errorf("a poll: %v: got %+v, want %+v", err, got, want)
		}
	}
}

func TestAnAnswerOfSomethingElseStopsNothing(t *testing.T) {
	tests := map[int]verdict{
		200: {temporary: true}, 404: {temporary: true}, 409: {temporary: true}, 400: {temporary: true}, 502: {temporary: true},
		401: {temporary: true}, 403: {temporary: true}, 429: {limited: true, temporary: true},
	}
	for _, mediaType := range []string{"text/html; charset=utf-8", "application/json", ""} {
		for status, want := range tests {
			t.Run(fmt.Sprintf("%d %s", status, mediaType), func(t *testing.T) {
				s := serve(t, answering(status, problem, "Content-Type", mediaType))
				err := clientOf(t, s).Ack(t.Context(), "7")
				if got := verdictOn(err); got != want {
					t.Errorf("%v: got %+v, want %+v", err, got, want)
				}
				if status >= 400 && !strings.Contains(err.Error(), "instead of "+wire.MediaType) {
					t.Errorf("%q does not say what is wrong", err)
				}
			})
		}
	}
}

func TestJobsOnlyFromTheProtocolsAnswer(t *testing.T) {
	tests := map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"another media type": {answering(200, `{"jobs":[]}`, "Content-Type", "application/json"), "with the media type application/json instead of " + wire.MediaType},
		"no media type":      {answering(200, `{"jobs":[]}`, "Content-Type", ""), "with the media type"},
		"no body":            {answering(204, ""), "answered 204 No Content: another answer was expected"},
		"an empty body":      {answering(200, ""), "the answer is not JSON, or not all of it came: at byte 0"},
		"half a body":        {answering(200, `{"jobs":[{"id":"1`), "not all of it came: at byte 17"},
		"a list":             {answering(200, `["secret"]`), "must not be a JSON array"},
		"jobs are no list":   {answering(200, `{"jobs":"secret"}`), `the answer's field "jobs" must not be a JSON string`},
		"more than 16 MiB":   {answering(200, `{"jobs":[`+strings.Repeat(" ", 16<<20)+`]}`), "the answer is larger than 16 MiB"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			jobs, err := clientOf(t, serve(t, test.answer)).Jobs(t.Context(), 0)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") || len(jobs) > 0 {
				t.Errorf("got %v, %v, want %q", jobs, err, test.want)
			}
			if !wire.Temporary(err) {
				t.Errorf("%v: is not tried again", err)
			}
		})
	}
	jobs, err := clientOf(t, serve(t, answering(200, `{"jobs":[{"id":"1"}]}`, "Content-Type", wire.MediaType+"; charset=utf-8"))).Jobs(t.Context(), 0)
	if err != nil || len(jobs) != 1 {
		t.Errorf("a media type with a parameter: got %v, %v", jobs, err)
	}
}

func TestAnAnswerCutOffIsTemporary(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", wire.MediaType)
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"jobs":[`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer s.Close()
	_, err := clientOf(t, &server{Server: s}).Jobs(t.Context(), 0)
	if !wire.Temporary(err) || !strings.HasPrefix(err.Error(), "GET /api/agent/jobs: ") {
		t.Errorf("got %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	s := serve(t, answering(204, ""))
	c := clientOf(t, s)
	s.Close()
	err := c.Ack(t.Context(), "7")
	if !wire.Temporary(err) || !strings.HasPrefix(err.Error(), "POST /api/agent/jobs/7/ack: dial tcp") {
		t.Errorf("got %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Ack(gone, "7"); !errors.Is(err, context.Canceled) || wire.Temporary(err) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestARequestEndsInTime(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	c := clientWith(t, wire.Options{Endpoint: s.URL, Timeout: 50 * time.Millisecond})
	if err := c.Ack(t.Context(), "7"); !errors.Is(err, context.DeadlineExceeded) || !wire.Temporary(err) {
		t.Errorf("got %v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := serve(t, answering(204, ""))
	for _, status := range []int{301, 302, 303, 307, 308} {
		for location, want := range map[string]string{
			elsewhere.URL + "/secret?token=secret": "redirects to " + elsewhere.URL + ", which is not followed",
			"/login?secret":                        "redirects to another path, which is not followed",
		} {
			s := serve(t, answering(status, "", "Location", location))
			err := clientOf(t, s).Ack(t.Context(), "7")
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || !wire.Temporary(err) {
				t.Errorf("%d: got %v, want %q", status, err, want)
			}
			if got := len(s.requests()); got != 1 {
				t.Errorf("%d: asked %d times", status, got)
			}
		}
	}
	if got := elsewhere.requests(); len(got) != 0 {
		t.Errorf("somebody else was sent %v", got)
	}
}

func TestErrorTextsAreBoundedAndHoldNoToken(t *testing.T) {
	const secret = "s3cr3t-token"
	body := fmt.Sprintf(`{"error":"%[1]s","message":"no\n\u001b[31m token %[1]s %[2]s","requestId":"%[1]s"}`, secret, strings.Repeat("é", 5000))
	s := serve(t, answering(500, body))
	c, err := wire.NewClient(wire.Options{Endpoint: s.URL, ClusterID: "c", Token: secret})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Ack(t.Context(), "7")
	text := err.Error()
	if strings.Contains(text, secret) || strings.ContainsAny(text, "\n\x1b") {
		t.Errorf("got %q", text)
	}
	if len(text) > 1200 || !strings.Contains(text, "[token]: no  [31m token [token] éé") || !strings.Contains(text, "... (request [token])") {
		t.Errorf("got %d bytes: %q", len(text), text)
	}
	_, err = wire.Register(t.Context(), wire.Options{Endpoint: s.URL}, wire.Registration{RegistrationToken: secret})
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("registered with %v", err)
	}
	long := serve(t, answering(500, `{"message":"`+strings.Repeat("x", 1<<20)+`"}`))
	if err := clientOf(t, long).Ack(t.Context(), "7"); !strings.HasSuffix(err.Error(), "its text cannot be read") {
		t.Errorf("got %.100v", err)
	}
	if err := clientOf(t, serve(t, answering(502, "<secret>"))).Ack(t.Context(), "7"); !strings.HasSuffix(err.Error(), "its text cannot be read") {
		t.Errorf("got %v", err)
	}
	foreign := serve(t, answering(502, secret, "Content-Type", "text/"+secret))
	c, err = wire.NewClient(wire.Options{Endpoint: foreign.URL, ClusterID: "c", Token: secret, Clock: clocktesting.NewFakePassiveClock(noon)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ack(t.Context(), "7"); strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
}
