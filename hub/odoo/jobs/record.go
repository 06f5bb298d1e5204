// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// State of a job; each comes after the one before.
type State string

const (
	// StateReceived is recorded, and the control plane may give it out again.
	StateReceived State = "Received"
	// StateAcked is ours to carry out.
	StateAcked State = "Acked"
	// StateApplied has been carried out, or may have been, and its end is awaited.
	StateApplied State = "Applied"
	// StateDecided has a result, which does not change any more.
	StateDecided State = "Decided"
	// StateClosed is over: the control plane has the result, or does not want it.
	StateClosed State = "Closed"
)

const (
	// recordPrefix begins the names of records.
	recordPrefix = "vworkspace-job-"
	// largestJob is what a record may hold, in bytes, of the 1 MiB that a ConfigMap may.
	largestJob = 512 << 10

	keyJob    = "job"
	keyRecord = "record"
)

// Record of a job.
type Record struct {
	// ControlPlane that it came from, by name.
	ControlPlane string `json:"controlPlane"`
	// State that it is in.
	State State `json:"state"`
	// ReceivedAt is when it came.
	ReceivedAt time.Time `json:"receivedAt"`
	// AppliedAt is when it was carried out; zero when it was not.
	AppliedAt time.Time `json:"appliedAt,omitzero"`
	// ClosedAt is when it was closed; zero while it is open.
	ClosedAt time.Time `json:"closedAt,omitzero"`
	// Doing is what was carried out; empty before.
	Doing Doing `json:"doing,omitempty"`
	// Ref is what was made, changed or is to be deleted; nil when that is nothing, or several.
	Ref *wire.Ref `json:"ref,omitempty"`
	// Result, once decided. The same bytes are handed in whenever it is.
	Result *wire.Result `json:"result,omitempty"`
	// Refused tells that nothing was carried out, for the reason that is in the result's error.
	Refused bool `json:"refused,omitempty"`

	// Job as it was received; without what it asks for once the record is closed.
	Job wire.Job `json:"-"`

	version string // resourceVersion of the ConfigMap
	resumed bool   // of a hub before this one, which may have carried it out without writing that down
}

// Doing is what a job carries out.
type Doing string

const (
	// DoingApply makes an object what the job says.
	DoingApply Doing = "apply"
	// DoingDelete deletes one.
	DoingDelete Doing = "delete"
	// DoingRotate exchanges credentials.
	DoingRotate Doing = "rotate"
	// DoingKeep keeps a catalog entry.
	DoingKeep Doing = "keep"
)

// RecordName of a job.
func RecordName(controlPlane, id string) string {
	sum := sha256.Sum256([]byte(controlPlane + "\x00" + id))
	return recordPrefix + hex.EncodeToString(sum[:16])
}

// name of the record's ConfigMap.
func (r *Record) name() string { return RecordName(r.ControlPlane, r.Job.ID) }

// isOf tells whether a record is of a job that has come, and not of another one that had its id: a control plane that was made anew, or went back to a backup, may give
// out an id twice.
func (r *Record) isOf(job *wire.Job) bool {
	return r.Job.Kind == job.Kind && r.Job.IdempotencyKey == job.IdempotencyKey && r.Job.CreatedAt.Equal(job.CreatedAt)
}

// source is what says of an object that the job made it.
func (r *Record) source() string { return r.ControlPlane + "/" + r.Job.ID }

// open tells whether the result is not in yet.
func (r *Record) open() bool { return r.State != StateClosed }

// before tells whether a job goes before another one about the same thing: what may have been begun already first, and then by when the control plane made them.
func (r *Record) before(other *Record) bool {
	if r.resumed != other.resumed {
		return r.resumed
	}
	if mine, theirs := r.madeAt(), other.madeAt(); !mine.Equal(theirs) {
		return mine.Before(theirs)
	}
	return r.Job.ID < other.Job.ID
}

func (r *Record) madeAt() time.Time {
	if r.Job.CreatedAt.IsZero() {
		return r.ReceivedAt
	}
	return r.Job.CreatedAt
}

// splitKey of a job: KIND/NAMESPACE/NAME@GENERATION is the generation of something, any other text the whole.
func splitKey(key string) (prefix string, generation int64) {
	i := strings.LastIndexByte(key, '@')
	if i <= 0 {
		return key, 0
	}
	n, err := strconv.ParseInt(key[i+1:], 10, 64)
	if err != nil || n <= 0 {
		return key, 0
	}
	return key[:i], n
}

// newRecord of a job that has come. One that no record can hold is refused.
func newRecord(controlPlane string, job *wire.Job, now time.Time) *Record {
	r := &Record{ControlPlane: controlPlane, State: StateReceived, ReceivedAt: now, Job: *job}
	if job.Malformed != "" {
		r.refuse(now, wire.OutcomeFailed, "the job cannot be read: "+job.Malformed)
	}
	size := len(job.Payload) + len(job.EncryptedPayload) + len(job.Signature) + len(job.IdempotencyKey) + len(job.RequestedBy)
	if size > largestJob {
		r.Job = stub(job)
		r.refuse(now, wire.OutcomeFailed, fmt.Sprintf("payload: the job has %d KiB, and %d is the most that is taken: leave out what is large, or send it in parts",
			size>>10, largestJob>>10))
	}
	return r
}

// stub is what stays of a job when it is over.
func stub(job *wire.Job) wire.Job {
	return wire.Job{ID: job.ID, Kind: job.Kind, IdempotencyKey: job.IdempotencyKey, CreatedAt: job.CreatedAt}
}

// decide a result. It is not told before it is stored.
func (r *Record) decide(now time.Time, outcome, message string) {
	r.Result = &wire.Result{
		Outcome: outcome, Error: opsv1alpha1.Truncate(message, opsv1alpha1.MaxMessage), AppliedRef: r.Ref, Timestamp: now.UTC().Truncate(time.Second),
	}
}

// refuse a job of which nothing is carried out.
func (r *Record) refuse(now time.Time, outcome, message string) {
	r.decide(now, outcome, message)
	r.Refused = true
}

// close the record, and keep no more than what tells of later jobs.
func (r *Record) close(now time.Time) {
	r.State, r.ClosedAt, r.Job = StateClosed, now, stub(&r.Job)
}

// configMap that holds the record.
func (r *Record) configMap(namespace string) (*corev1.ConfigMap, error) {
	job, err := json.Marshal(&r.Job)
	if err != nil {
		return nil, fmt.Errorf("encode the job: %w", err)
	}
	record, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the record: %w", err)
	}
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: r.name(), ResourceVersion: r.version,
			Labels:      map[string]string{opsv1alpha1.LabelPart: opsv1alpha1.PartJob},
			Annotations: map[string]string{opsv1alpha1.AnnotationJob: r.source()},
		},
		Data: map[string]string{keyJob: string(job), keyRecord: string(record)},
	}, nil
}

// recordFrom what a ConfigMap holds.
func recordFrom(cm *corev1.ConfigMap) (*Record, error) {
	r := &Record{version: cm.ResourceVersion}
	if err := json.Unmarshal([]byte(cm.Data[keyRecord]), r); err != nil {
		return nil, fmt.Errorf("ConfigMap %s: data.%s: %w", cm.Name, keyRecord, err)
	}
	if err := json.Unmarshal([]byte(cm.Data[keyJob]), &r.Job); err != nil {
		return nil, fmt.Errorf("ConfigMap %s: data.%s: %w", cm.Name, keyJob, err)
	}
	if r.name() != cm.Name {
		return nil, fmt.Errorf("ConfigMap %s: it holds the job %q, whose record has another name: delete it, unless you know better", cm.Name, r.source())
	}
	return r, nil
}
