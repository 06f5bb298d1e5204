// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// Every violation is committed once here, so that none of the fake's rules is one that nothing can break.
func TestViolationsAreReported(t *testing.T) {
	without := func(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }
	with := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	tests := map[string]struct {
		commit func(*raw)
		want   string
	}{
		"an unknown path":   {func(r *raw) { r.must(404, "GET", "/api/agent/job", "") }, "is none of the protocol's requests"},
		"an unknown method": {func(r *raw) { r.must(404, "PUT", eventsURL, "") }, "is none of the protocol's requests"},
		"an unknown verb":   {func(r *raw) { r.must(404, "POST", "/api/agent/jobs/1/nack", "") }, "is none of the protocol's requests"},
		"no Accept":         {func(r *raw) { r.must(200, "GET", pollNow, "", without("Accept")) }, `has Accept ""`},
		"another Accept":    {func(r *raw) { r.must(200, "GET", pollNow, "", with("Accept", "*/*")) }, `has Accept "*/*"`},
		"another Content-Type": {func(r *raw) {
			r.must(204, "POST", eventsURL, batch(event("k", "u", 1)), with("Content-Type", "application/json"))
		},
			`has a body with Content-Type "application/json"`},
		"no bearer":      {func(r *raw) { r.must(401, "GET", pollNow, "", without("Authorization")) }, "has no bearer token"},
		"another scheme": {func(r *raw) { r.must(401, "GET", pollNow, "", with("Authorization", "Basic x")) }, "has no bearer token"},
		"no HMAC": {func(r *raw) { r.must(401, "POST", eventsURL, batch(event("k", "u", 1)), without("X-Vworkspace-Hmac")) },
			"is a POST without"},
		"no timestamp": {func(r *raw) {
			r.must(401, "POST", eventsURL, batch(event("k", "u", 1)), without("X-Vworkspace-Timestamp"))
		},
			"is a POST without"},
		"another timestamp": {func(r *raw) {
			r.must(401, "POST", eventsURL, batch(event("k", "u", 1)), with("X-Vworkspace-Timestamp", "1"))
		},
			"HMAC is wrong"},
		"the HMAC of another body": {func(r *raw) {
			r.must(401, "POST", eventsURL, batch(event("k", "u", 1)), func(q *http.Request) { r.seal(q, eventsURL, batch()) })
		}, "HMAC is wrong"},
		"the HMAC of another path": {func(r *raw) {
			r.must(401, "POST", eventsURL, batch(event("k", "u", 1)), func(q *http.Request) { r.seal(q, resultURL, batch(event("k", "u", 1))) })
		}, "HMAC is wrong"},
		"a body that is not JSON":    {func(r *raw) { r.must(400, "POST", eventsURL, "x") }, "is not JSON"},
		"a poll for another cluster": {func(r *raw) { r.must(403, "GET", "/api/agent/jobs?cluster=fleet-2&wait=0", "") }, `polls for cluster "fleet-2"`},
		"a poll for no cluster":      {func(r *raw) { r.must(403, "GET", "/api/agent/jobs?wait=0", "") }, `polls for cluster ""`},
		"a poll that waits too long": {func(r *raw) { r.must(400, "GET", "/api/agent/jobs?cluster=fleet-1&wait=301", "") }, "has wait=301"},
		"a poll that waits for what": {func(r *raw) { r.must(400, "GET", "/api/agent/jobs?cluster=fleet-1&wait=1s", "") }, "has wait=1s"},
		"a job unknown":              {func(r *raw) { r.must(404, "POST", "/api/agent/jobs/1/ack", "") }, "was never given"},
		"a job not given yet": {func(r *raw) {
			if _, err := r.fake.EnqueueJob(controlplane.NewJob{Job: wire.Job{ID: "1"}}); err != nil {
				r.t.Fatal(err)
			}
			r.must(404, "POST", "/api/agent/jobs/1/ack", "")
		}, "was never given"},
		"a job of another identity": {func(r *raw) {
			r.given()
			r.token = r.fake.Token("fleet-2")
			r.must(404, "POST", "/api/agent/jobs/1/ack", "")
		}, "was never given"},
		"an ack with a body":      {func(r *raw) { r.given(); r.must(204, "POST", "/api/agent/jobs/1/ack", "{}") }, "acknowledges with a body"},
		"a status before the ack": {func(r *raw) { r.given(); r.must(409, "POST", "/api/agent/jobs/1/status", running) }, "before its ack"},
		"a result before the ack": {func(r *raw) { r.given(); r.must(409, "POST", resultURL, noop) }, "posts the result of job 1 before its ack"},
		"a status without phase":  {func(r *raw) { r.acked(); r.must(204, "POST", "/api/agent/jobs/1/status", `{}`) }, "without phase or timestamp"},
		"a status that is none":   {func(r *raw) { r.acked(); r.must(400, "POST", "/api/agent/jobs/1/status", `[]`) }, "posts a status that is none"},
		"no result":               {func(r *raw) { r.acked(); r.must(400, "POST", resultURL, "") }, "posts a result that is none"},
		"a result that is none":   {func(r *raw) { r.acked(); r.must(400, "POST", resultURL, "[]") }, "posts a result that is none"},
		"an unknown outcome":      {func(r *raw) { r.acked(); r.must(400, "POST", resultURL, `{"outcome":"done"}`) }, `has the unknown outcome "done"`},
		"failed without why":      {func(r *raw) { r.acked(); r.must(400, "POST", resultURL, `{"outcome":"failed"}`) }, "has outcome failed and does not say why"},
		"conflict without why":    {func(r *raw) { r.acked(); r.must(400, "POST", resultURL, `{"outcome":"conflict"}`) }, "has outcome conflict and"},
		"a result of no time":     {func(r *raw) { r.acked(); r.must(400, "POST", resultURL, `{"outcome":"noop"}`) }, "has no timestamp"},
		"a result of nothing":     {func(r *raw) { r.acked(); r.must(400, "POST", resultURL, `{"appliedRef":{},`+noop[1:]) }, "has an appliedRef without"},
		"a status after the result": {func(r *raw) {
			r.acked()
			r.must(204, "POST", resultURL, noop)
			r.must(409, "POST", "/api/agent/jobs/1/status", running)
		}, "posts a status of job 1 after its result"},
		"the result again": {func(r *raw) {
			r.acked()
			r.must(204, "POST", resultURL, noop)
			r.must(409, "POST", resultURL, noop)
		}, "posts the result of job 1 again, which was answered"},
		"another result": {func(r *raw) {
			r.acked()
			r.must(204, "POST", resultURL, noop)
			r.fake.ClientKilled()
			r.must(409, "POST", resultURL, succeeded)
		}, "posts a second result of job 1, and another one"},
		"no events":         {func(r *raw) { r.must(400, "POST", eventsURL, batch()) }, "tells 0 events at once"},
		"events of no kind": {func(r *raw) { r.must(400, "POST", eventsURL, `{"events":1}`) }, "tells events that are none"},
		"too many events": {func(r *raw) {
			r.must(400, "POST", eventsURL, batch(slices.Repeat([]string{event("k", "u", 1)}, 101)...))
		}, "tells 101 events at once"},
		"an event of no key": {func(r *raw) { r.must(204, "POST", eventsURL, batch(event("", "u", 1))) }, "tells an event without eventKey"},
		"an event of no time": {func(r *raw) {
			r.must(204, "POST", eventsURL, `{"events":[{"eventKey":"k","kind":"ClusterHeartbeat"}]}`)
		}, "without timestamp"},
		"an unknown event": {func(r *raw) {
			r.must(204, "POST", eventsURL, `{"events":[{"eventKey":"k","kind":"Party","timestamp":"2026-11-29T12:00:00Z"}]}`)
		}, `of the unknown kind "Party"`},
		"events out of order": {func(r *raw) { r.must(204, "POST", eventsURL, batch(event("a", "u", 2), event("b", "u", 1))) }, `"b" out of order: sequence 1 after 2`},
		"events out of order, in two batches": {func(r *raw) {
			r.must(204, "POST", eventsURL, batch(event("a", "u", 2)))
			r.must(204, "POST", eventsURL, batch(event("b", "u", 1)))
		}, `"b" out of order: sequence 1 after 2`},
		"two events of one key": {func(r *raw) { r.must(204, "POST", eventsURL, batch(event("a", "u", 1), event("a", "v", 1))) }, `"a" again, and as another one`},
		"registration with another bearer": {func(r *raw) {
			r.must(401, "POST", "/api/agent/register", `{"registrationToken":"`+r.fake.RegistrationToken("fleet-3")+`"}`)
		}, "registers with another bearer token"},
		"registration without a token": {func(r *raw) { r.must(400, "POST", "/api/agent/register", `{}`) }, "registers without a registrationToken"},
		"a rotation with a body":       {func(r *raw) { r.must(200, "POST", "/api/agent/credentials/rotate", `{"a":1}`) }, `rotates with the body "{\"a\":1}"`},
		"a poll after two 401s": {func(r *raw) {
			r.fake.Revoke(r.token)
			for range 3 {
				r.must(401, "GET", pollNow, "")
			}
		}, "polls on after a second 401"},
		"a poll after a 403": {func(r *raw) {
			r.fake.SetFaults(controlplane.Schedule(map[int]controlplane.Fault{1: {Status: 403}}))
			r.must(403, "GET", pollNow, "")
			r.must(200, "GET", pollNow, "")
		}, "polls on after a 403"},
		"a poll before Retry-After": {func(r *raw) {
			r.fake.SetFaults(controlplane.Schedule(map[int]controlplane.Fault{1: {Status: 429, RetryAfter: time.Hour}}))
			r.must(429, "GET", pollNow, "")
			r.must(200, "GET", pollNow, "")
		}, "before what Retry-After has asked for"},
		"a poll before a Retry-After by date": {func(r *raw) {
			r.fake.SetFaults(controlplane.Schedule(map[int]controlplane.Fault{1: {Status: 429, RetryAfter: time.Hour, RetryAfterDate: true}}))
			r.must(429, "GET", pollNow, "")
			r.must(200, "GET", pollNow, "")
		}, "before what Retry-After has asked for"},
		"a poll too soon after a 5xx": {func(r *raw) {
			r.fake.SetFaults(controlplane.Schedule(map[int]controlplane.Fault{1: {Status: 503}}))
			r.must(503, "GET", pollNow, "")
			r.must(200, "GET", pollNow, "")
		}, "after a 5xx; a second is the least"},
		"events too soon after a 5xx": {func(r *raw) {
			r.fake.SetFaults(controlplane.Schedule(map[int]controlplane.Fault{1: {Status: 500, TookEffect: true}}))
			r.must(500, "POST", eventsURL, batch(event("a", "u", 1)))
			r.must(204, "POST", eventsURL, batch(event("a", "u", 1)))
		}, "after a 5xx; a second is the least"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			test.commit(r)
			got := r.fake.Violations()
			if len(got) != 1 || !strings.Contains(got[0], test.want) {
				t.Errorf("reported %q, want one with %q", got, test.want)
			}
		})
	}
}
