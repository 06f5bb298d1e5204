// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"vworkspace.io/fleet/hub/odoo/wire"
)

const (
	// turnAgain is how soon a job looks again whether what goes first has gone; as a rule that says so itself.
	turnAgain = 5 * time.Second
	// busyAgain is how soon a job looks again that found another one about the same just being looked at.
	busyAgain = 100 * time.Millisecond
	// followAgain is how soon a job looks again at what it made, should no news have come.
	followAgain = time.Minute
	// mostSteps of a job in one pass: each state, and some to spare.
	mostSteps = 8
)

// work is one pass over a job.
type work struct {
	*Jobs
	s *Session
	r *Record // of this pass; stored before anything else is done
	t *task   // what it asks for, when that was looked at
}

// Reconcile implements reconcile.Reconciler: a request is the name of a record. Whatever belongs to no session waits for one.
func (j *Jobs) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	r := j.ledger.get(req.Name)
	if r != nil && j.isStale(req.Name) {
		var err error
		if r, err = j.reload(ctx, req.Name); err != nil {
			return ctrl.Result{}, err
		}
		j.setStale(req.Name, false)
	}
	if r == nil {
		return ctrl.Result{}, nil
	}
	s := j.session(r.ControlPlane)
	if s == nil {
		return ctrl.Result{}, nil
	}
	again, err := (&work{Jobs: j, s: s, r: r}).run(ctx)
	switch after, known := later(err); {
	case err == nil:
		return ctrl.Result{RequeueAfter: again}, nil
	case known:
		return ctrl.Result{RequeueAfter: after}, nil
	case j.isStale(req.Name):
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return ctrl.Result{}, err
}

// run takes one step after the other until something has to be waited for.
func (w *work) run(ctx context.Context) (time.Duration, error) {
	if err := w.acknowledgeAgain(ctx); err != nil {
		return 0, err
	}
	defer w.ledger.release(w.r)
	for range mostSteps {
		if w.r.State == StateAcked && !w.ledger.claim(w.r) {
			return busyAgain, nil
		}
		seen, err := w.look(ctx)
		if err != nil {
			return 0, err
		}
		step := Next(w.r, seen)
		again, err := w.do(ctx, step)
		if err != nil || again > 0 || step.Do == DoNothing {
			return again, err
		}
	}
	return 0, fmt.Errorf("job %s: more steps than there are", w.r.source())
}

// look at what the next step depends on.
func (w *work) look(ctx context.Context) (*Seen, error) {
	seen := &Seen{Now: w.s.Client.Now(), Timeout: w.s.Timeout}
	var err error
	switch w.r.State {
	case StateAcked:
		err = w.lookBefore(ctx, seen)
	case StateApplied:
		err = w.lookAfter(ctx, seen)
	case StateReceived, StateDecided, StateClosed:
	}
	return seen, err
}

// lookBefore a job is carried out.
func (w *work) lookBefore(ctx context.Context, seen *Seen) error {
	seen.Rivals = w.ledger.rivals(w.r)
	w.t, seen.Problem = w.open()
	if w.t == nil || w.t.object == nil {
		return nil
	}
	there, err := w.applier.read(ctx, refOf(w.t.object))
	if err != nil || there == nil {
		return err
	}
	switch {
	case made(there, w.r, w.applier.user(w.s.Account)):
		seen.Adopted = refOf(there)
	case !there.GetDeletionTimestamp().IsZero():
		seen.Hold = shown(refOf(there)) + " is being deleted, and has to be gone first"
	}
	return nil
}

// open what the job asks for, unless the record is a refusal already. What was encrypted stays in memory.
func (w *work) open() (*task, error) {
	if w.r.Result != nil {
		return nil, &Refusal{Outcome: w.r.Result.Outcome, Message: w.r.Result.Error}
	}
	payload, err := w.s.Open(&w.r.Job)
	if err != nil {
		return nil, err
	}
	t, err := parse(&w.r.Job, payload)
	if err != nil {
		return nil, err
	}
	if err := w.s.confine(t); err != nil {
		return nil, err
	}
	if t.object != nil {
		prepare(t.object, w.r)
	}
	return t, nil
}

// do a step. It tells after which time to look again; 0 when the next step is to follow at once.
func (w *work) do(ctx context.Context, step Step) (time.Duration, error) {
	switch step.Do {
	case DoAcknowledge:
		return 0, w.acknowledge(ctx)
	case DoAdopt:
		return 0, w.begin(ctx, w.adopt)
	case DoApply:
		return 0, w.begin(ctx, w.carryOut)
	case DoDecide:
		return 0, w.decide(ctx, step)
	case DoWait:
		return w.wait(ctx, step.Status)
	case DoHandIn:
		return 0, w.handIn(ctx)
	case DoNothing:
	}
	return 0, nil
}

// acknowledge a job; one that is closed elsewhere is not carried out.
func (w *work) acknowledge(ctx context.Context) error {
	err := w.s.Client.Ack(ctx, w.r.Job.ID)
	switch {
	case wire.Closed(err):
		w.r.close(w.s.Client.Now())
	case err != nil:
		return err
	default:
		w.r.State = StateAcked
	}
	if err := w.store(ctx); err != nil {
		return err
	}
	w.ledger.acknowledged(w.r.name())
	return nil
}

// acknowledgeAgain a job that was given out again although it was taken: the answer was lost, or the control plane has forgotten it.
func (w *work) acknowledgeAgain(ctx context.Context) error {
	if w.r.State == StateReceived || !w.ledger.unacknowledged(w.r.name()) {
		return nil
	}
	err := w.s.Client.Ack(ctx, w.r.Job.ID)
	if err != nil && !wire.Closed(err) {
		return err
	}
	if err == nil && w.r.State == StateClosed && w.r.Result != nil {
		if err := w.s.Client.Result(ctx, w.r.Job.ID, *w.r.Result); err != nil && !wire.Closed(err) {
			return err
		}
	}
	w.ledger.acknowledged(w.r.name())
	return nil
}

// decide on the result, once and for all.
func (w *work) decide(ctx context.Context, step Step) error {
	if w.r.Result == nil {
		w.r.decide(w.s.Client.Now(), step.Outcome, step.Message)
		w.r.Refused = step.Refused
	}
	w.r.State = StateDecided
	if err := w.store(ctx); err != nil {
		return err
	}
	w.ask(w.ledger.behind(w.r)...)
	return nil
}

// handIn the result. What was refused is told to those who audit it first.
func (w *work) handIn(ctx context.Context) error {
	if err := w.tellRefusal(ctx); err != nil {
		return err
	}
	if err := w.s.Client.Result(ctx, w.r.Job.ID, *w.r.Result); err != nil && !wire.Closed(err) {
		return err
	}
	w.r.close(w.s.Client.Now())
	if err := w.store(ctx); err != nil {
		return err
	}
	w.forgetTold(w.r.name())
	return nil
}

// store the record. After an error it is read again, since it may have been stored all the same.
func (w *work) store(ctx context.Context) error {
	stored, err := w.Jobs.store.update(ctx, w.r)
	if err != nil {
		w.setStale(w.r.name(), true)
		return err
	}
	w.ledger.put(stored)
	w.r = w.ledger.get(stored.name())
	return nil
}

// begin carries a job out, or notes that it was.
func (w *work) begin(ctx context.Context, how func(context.Context) (Doing, *wire.Ref, error)) error {
	doing, ref, err := how(ctx)
	if final, ok := errors.AsType[*Refusal](err); ok {
		if w.r.Job.EncryptedPayload != "" && final.Bare != "" {
			err = &Refusal{Outcome: final.Outcome, Message: final.Bare}
		}
		return w.decide(ctx, refusal(err))
	}
	if err != nil {
		return err
	}
	w.r.State, w.r.Doing, w.r.Ref, w.r.AppliedAt = StateApplied, doing, ref, w.s.Client.Now()
	if doing == DoingKeep || ref != nil && doing == DoingApply && ref.Kind == kindTemplate {
		return w.decide(ctx, Step{Outcome: wire.OutcomeSucceeded})
	}
	if err := w.store(ctx); err != nil {
		return err
	}
	w.ask(w.ledger.behind(w.r)...)
	return nil
}

func (j *Jobs) isStale(name string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stale[name]
}

func (j *Jobs) setStale(name string, stale bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if stale {
		j.stale[name] = true
	} else {
		delete(j.stale, name)
	}
}
