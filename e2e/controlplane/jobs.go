// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gowebpki/jcs"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// JobState is what became of a job.
type JobState struct {
	// Job as it is given out.
	Job wire.Job
	// Cluster is the identity that it is for.
	Cluster string
	// Deliveries and Acks count how often it was given out and acknowledged, Results how often its result was posted.
	Deliveries, Acks, Results int
	// Acked tells that it was acknowledged.
	Acked bool
	// Closed tells that nothing is expected any more: its result is in, or the control plane has given it up.
	Closed bool
	// Statuses that were posted.
	Statuses []wire.Status
	// Result of it; nil when there is none, and never a second one.
	Result *wire.Result
}

// job is a JobState, and what a repeat is judged by.
type job struct {
	JobState
	// again has the next poll given it once more.
	again bool
	// result is the canonical form of the body that was taken, resultAfter the number of requests that had come by then.
	result      []byte
	resultAfter int
	// lost tells that the answer to the last result may not have come, and answered is the epoch of that answer.
	lost     bool
	answered int
	// credits are how often the job was given out after its ack, each being a reason to tell the result once more.
	credits int
}

// Job by its id; a zero JobState when there is none.
func (f *Fake) Job(id string) JobState {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.job(id); j != nil {
		return j.copy()
	}
	return JobState{}
}

// Jobs that were ever enqueued, in that order.
func (f *Fake) Jobs() []JobState {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]JobState, 0, len(f.jobs))
	for _, j := range f.jobs {
		out = append(out, j.copy())
	}
	return out
}

// CloseJob gives a job up, as when somebody has cancelled it: what is said about it is answered with 409.
func (f *Fake) CloseJob(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.job(id); j != nil {
		j.Closed = true
		f.change()
	}
}

// Redeliver has the next poll answered with a job once more, whatever became of it.
func (f *Fake) Redeliver(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.job(id); j != nil {
		j.again = true
		f.change()
	}
}

func (j *job) copy() JobState {
	out := j.JobState
	out.Statuses = append([]wire.Status(nil), j.Statuses...)
	return out
}

// job by its id; nil when there is none. The caller holds mu.
func (f *Fake) job(id string) *job { return f.byID[id] }

// aboutJob takes an ack, a status or a result.
func (f *Fake) aboutJob(q *Request, body []byte) reply {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.job(q.Job)
	if j == nil || j.Cluster != q.who.clusterID || j.Deliveries == 0 {
		f.violate(q, "is about a job that %s was never given", q.who.clusterID)
		return *refuse(http.StatusNotFound, "unknown_job")
	}
	defer f.change()
	switch q.Operation {
	case Ack:
		return f.ack(q, j, body)
	case Status:
		return f.status(q, j, body)
	default:
		return f.result(q, j, body)
	}
}

func (f *Fake) ack(q *Request, j *job, body []byte) reply {
	if len(body) > 0 {
		f.violate(q, "acknowledges with a body")
	}
	j.Acks++
	if j.Closed {
		return *refuse(http.StatusConflict, "job_closed")
	}
	j.Acked = true
	return noContent()
}

func (f *Fake) status(q *Request, j *job, body []byte) reply {
	var s wire.Status
	if err := json.Unmarshal(body, &s); err != nil {
		f.violate(q, "posts a status that is none: %v", err)
		return *refuse(http.StatusBadRequest, "bad_request")
	}
	if s.Phase == "" || s.Timestamp.IsZero() {
		f.violate(q, "posts a status without phase or timestamp")
	}
	if !j.Acked {
		f.violate(q, "posts a status of job %s before its ack", q.Job)
		return *refuse(http.StatusConflict, "not_acknowledged")
	}
	if j.Result != nil && q.Number > j.resultAfter && j.answered == f.epoch { // a client that was succeeded may say it late
		f.violate(q, "posts a status of job %s after its result", q.Job)
	}
	if j.Closed {
		return *refuse(http.StatusConflict, "job_closed")
	}
	j.Statuses = append(j.Statuses, s)
	return noContent()
}

func (f *Fake) result(q *Request, j *job, body []byte) reply {
	var r wire.Result
	canonical, err := jcs.Transform(body)
	if err == nil {
		err = json.Unmarshal(canonical, &r)
	}
	if err != nil {
		f.violate(q, "posts a result that is none: %v", err)
		return *refuse(http.StatusBadRequest, "bad_request")
	}
	if err := resultError(r); err != nil {
		f.violate(q, "posts a result that %v", err)
		return *refuse(http.StatusBadRequest, "bad_request")
	}
	j.Results++
	if j.Result != nil {
		return f.repeated(q, j, canonical)
	}
	if !j.Acked {
		f.violate(q, "posts the result of job %s before its ack", q.Job)
		return *refuse(http.StatusConflict, "not_acknowledged")
	}
	if j.Closed {
		return *refuse(http.StatusConflict, "job_closed")
	}
	j.Closed, j.Result, j.result, j.resultAfter = true, &r, canonical, len(f.requests)
	j.lost, j.answered = q.disturbed, q.epoch
	return noContent()
}

// repeated judges a result for a job that has one.
func (f *Fake) repeated(q *Request, j *job, canonical []byte) reply {
	switch {
	case !bytes.Equal(canonical, j.result):
		f.violate(q, "posts a second result of job %s, and another one: %s after %s", q.Job, canonical, j.result)
	case j.lost || q.disturbed || j.answered != f.epoch:
	case j.credits > 0:
		j.credits--
	default:
		f.violate(q, "posts the result of job %s again, which was answered", q.Job)
	}
	j.lost, j.answered = q.disturbed, q.epoch
	return *refuse(http.StatusConflict, "result_recorded")
}

func resultError(r wire.Result) error {
	switch r.Outcome {
	case wire.OutcomeSucceeded, wire.OutcomeNoop:
	case wire.OutcomeFailed, wire.OutcomeConflict:
		if r.Error == "" {
			return fmt.Errorf("has outcome %s and does not say why", r.Outcome)
		}
	default:
		return fmt.Errorf("has the unknown outcome %q", r.Outcome)
	}
	if r.Timestamp.IsZero() {
		return fmt.Errorf("has no timestamp")
	}
	if ref := r.AppliedRef; ref != nil && (ref.Kind == "" || ref.Name == "" || ref.APIVersion == "") {
		return fmt.Errorf("has an appliedRef without apiVersion, kind or name")
	}
	return nil
}
