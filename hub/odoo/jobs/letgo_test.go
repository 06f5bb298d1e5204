// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// TestNotesEnd: an Operation that goes leaves behind how it ended in the record of its job, and in no other.
func TestNotesEnd(t *testing.T) {
	now := time.Unix(1700000000, 0)
	operation := func(phase opsv1alpha1.OperationPhase, by string) *opsv1alpha1.Operation {
		return &opsv1alpha1.Operation{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "backup", UID: "u1", Annotations: map[string]string{opsv1alpha1.AnnotationRequestedBy: by}},
			Status:     opsv1alpha1.OperationStatus{Phase: phase, Reason: "R", Message: "m"},
		}
	}
	const account = "system:serviceaccount:vworkspace-hub:vworkspace-control-plane"
	applied := Record{State: StateApplied, Doing: DoingApply, Ref: &wire.Ref{Kind: kindOperation, UID: "u1"}}
	other := Record{State: StateApplied, Doing: DoingApply, Ref: &wire.Ref{Kind: kindOperation, UID: "u2"}}
	for name, c := range map[string]struct {
		record  Record
		op      *opsv1alpha1.Operation
		outcome string
	}{
		"it has succeeded":                            {applied, operation(opsv1alpha1.PhaseSucceeded, account), wire.OutcomeSucceeded},
		"it has failed":                               {applied, operation(opsv1alpha1.PhaseFailed, account), wire.OutcomeFailed},
		"it has not ended":                            {applied, operation(opsv1alpha1.PhaseRunning, account), wire.OutcomeFailed},
		"made, and not written down":                  {Record{State: StateAcked}, operation(opsv1alpha1.PhaseSucceeded, account), wire.OutcomeSucceeded},
		"made, where nobody writes down who asks":     {Record{State: StateAcked}, operation(opsv1alpha1.PhaseSucceeded, ""), wire.OutcomeSucceeded},
		"somebody's own, with a job's name":           {Record{State: StateAcked}, operation(opsv1alpha1.PhaseSucceeded, "mallory"), ""},
		"another one of that name":                    {other, operation(opsv1alpha1.PhaseSucceeded, account), ""},
		"decided":                                     {Record{State: StateDecided, Ref: applied.Ref, Doing: DoingApply}, operation(opsv1alpha1.PhaseSucceeded, account), ""},
		"a refusal that is about to be decided stays": {Record{State: StateAcked, Result: &wire.Result{}}, operation(opsv1alpha1.PhaseSucceeded, account), ""},
	} {
		r := c.record
		if news := r.notesEnd(c.op, now); news != (c.outcome != "") {
			t.Errorf("%s: news %v", name, news)
			continue
		}
		if c.outcome != "" && (r.State != StateDecided || r.Result.Outcome != c.outcome || r.Ref.UID != "u1") {
			t.Errorf("%s: %+v %+v", name, r, r.Result)
		}
	}
}

// TestRecordIsOfAJob: an id that is given out again is another job's where anything else of it differs.
func TestRecordIsOfAJob(t *testing.T) {
	job := wire.Job{ID: "7", Kind: wire.KindApply, IdempotencyKey: "k@1", CreatedAt: time.Unix(1700000000, 0)}
	r := newRecord("odoo", &job, time.Unix(1700000001, 0))
	r.close(time.Unix(1700000002, 0))
	if !r.isOf(&job) {
		t.Error("the same job is another one")
	}
	for name, change := range map[string]func(*wire.Job){
		"kind": func(j *wire.Job) { j.Kind = wire.KindDelete }, "key": func(j *wire.Job) { j.IdempotencyKey = "k@2" },
		"time": func(j *wire.Job) { j.CreatedAt = j.CreatedAt.Add(time.Hour) },
	} {
		another := job
		change(&another)
		if r.isOf(&another) {
			t.Errorf("a job of another %s is the same", name)
		}
	}
}
