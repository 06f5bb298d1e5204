// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Bounds that the protocol sets.
const (
	// MaxWait of a poll.
	MaxWait = 300 * time.Second
	// MaxEvents of one request.
	MaxEvents = 100
)

// Jobs asks for jobs and lets the control plane wait for some, for whole seconds up to MaxWait. None is an answer too, and may come sooner than asked for: callers
// ask no more often than once a second. A job that cannot be read comes with Malformed set.
func (c *Client) Jobs(ctx context.Context, wait time.Duration) ([]Job, error) {
	wait = min(max(wait, 0), MaxWait).Truncate(time.Second)
	query := url.Values{"cluster": {c.clusterID}, "wait": {strconv.Itoa(int(wait / time.Second))}}
	var answer struct {
		Jobs []json.RawMessage `json:"jobs"`
	}
	if err := c.do(ctx, call{method: http.MethodGet, path: "jobs", query: query, into: &answer, wait: wait}); err != nil {
		return nil, err
	}
	jobs := make([]Job, 0, len(answer.Jobs))
	for _, raw := range answer.Jobs {
		jobs = append(jobs, readJob(raw))
	}
	return jobs, nil
}

// Ack tells that a job has been received, and will be carried out. Closed when it must not be any more.
func (c *Client) Ack(ctx context.Context, job string) error {
	return c.aboutJob(ctx, job, "ack", nil)
}

// Status tells how a job gets on.
func (c *Client) Status(ctx context.Context, job string, s Status) error {
	return c.aboutJob(ctx, job, "status", s)
}

// Result tells how a job came out. Closed when that has been told before.
func (c *Client) Result(ctx context.Context, job string, r Result) error {
	return c.aboutJob(ctx, job, "result", r)
}

// Events tells what happened: 1 to MaxEvents, and nothing is sent for none.
func (c *Client) Events(ctx context.Context, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	if len(events) > MaxEvents {
		return fmt.Errorf("events: %w: %d are more than %d at once", errInvalid, len(events), MaxEvents)
	}
	return c.do(ctx, call{method: http.MethodPost, path: "events", body: map[string]any{"events": events}})
}

// Rotate exchanges the token for a new one. The old one stays valid for a while, so that an answer that gets lost can be asked for again.
func (c *Client) Rotate(ctx context.Context) (Credentials, error) {
	var got Credentials
	if err := c.do(ctx, call{method: http.MethodPost, path: "credentials/rotate", body: struct{}{}, into: &got}); err != nil {
		return Credentials{}, err
	}
	if err := CheckToken(got.Token); err != nil {
		return Credentials{}, fmt.Errorf("rotate credentials: the answer's %w", err)
	}
	return got, nil
}

// Register exchanges a registration token, which can be used once, for credentials.
func Register(ctx context.Context, o Options, r Registration) (Credentials, error) {
	conn, err := newConnection(o)
	if err != nil {
		return Credentials{}, err
	}
	defer conn.http.CloseIdleConnections()
	if err := CheckToken(r.RegistrationToken); err != nil {
		return Credentials{}, fmt.Errorf("registration: %w", err)
	}
	c := &Client{connection: conn, token: r.RegistrationToken}
	var got Credentials
	if err := c.do(ctx, call{method: http.MethodPost, path: "register", body: r, into: &got}); err != nil {
		return Credentials{}, err
	}
	if got.ClusterID == "" {
		return Credentials{}, errors.New("register: the answer has no clusterId")
	}
	if err := CheckToken(got.Token); err != nil {
		return Credentials{}, fmt.Errorf("register: the answer's %w", err)
	}
	return got, nil
}

func (c *Client) aboutJob(ctx context.Context, job, what string, body any) error {
	// These two would be taken for directories on the way; no control plane that means well uses them.
	if job == "" || job == "." || job == ".." {
		return fmt.Errorf("%s: %w: %q is no id of a job", what, errInvalid, job)
	}
	return c.do(ctx, call{method: http.MethodPost, path: "jobs/" + url.PathEscape(job) + "/" + what, body: body, job: job})
}

// readJob reads one job so that one that cannot be read is answered, and keeps no other from being done.
func readJob(raw json.RawMessage) Job {
	var job Job
	err := json.Unmarshal(raw, &job)
	if err == nil && job.ID != "" {
		job.Malformed = ""
		return job
	}
	var id struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(raw, &id) != nil || id.ID == "" {
		return Job{Malformed: "it is not an object with an id"}
	}
	return Job{ID: id.ID, Malformed: malformed(err)}
}

// malformed says what is wrong with a job without repeating what it holds.
func malformed(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("its field %s must not be a JSON %s", wrong.Field, wrong.Value)
	}
	if _, ok := errors.AsType[*time.ParseError](err); ok {
		return "its createdAt and expiresAt must be times in RFC 3339"
	}
	return "it is not as the protocol has it"
}
