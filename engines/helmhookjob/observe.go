// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/helmrecord"
	"vworkspace.io/fleet/engines/jobs"
)

// Observe reads the Job that was recorded last. Those before it are Complete: that is why there is a next one.
func (Engine) Observe(ctx context.Context, r client.Reader, run engines.Run) (engines.Outcome, error) {
	at := current(run)
	job, err := jobs.Find(ctx, r, run, at.name(run))
	switch {
	case err != nil:
		return engines.Outcome{}, err
	case job == nil && run.Applied():
		return engines.Lost(jobs.Kind, at.name(run)), nil
	case job == nil:
		return engines.Running(opsv1alpha1.ReasonEngineStarted, "Job %s has not been created yet", at.name(run)), nil
	}
	at = stepOf(job, at)
	o, err := jobs.Judge(ctx, r, job, subject(job, at))
	if err != nil {
		return engines.Outcome{}, err
	}
	if o.State == engines.StateSucceeded && at.last() {
		o.Reason = ReasonHooksSucceeded
	} else if o.State == engines.StateSucceeded {
		if o, err = proceed(ctx, r, run, job, at, o); err != nil {
			return engines.Outcome{}, err
		}
	}
	return decorate(o, job, at), nil
}

// proceed goes on to the hook after a complete one. It keeps what is known of the complete Job.
func proceed(ctx context.Context, r client.Reader, run engines.Run, job *batchv1.Job, at step, done engines.Outcome) (engines.Outcome, error) {
	var o engines.Outcome
	var err error
	switch {
	case !run.Applied():
		o = nextStep(at)
	case run.Operation.Status.Reason == opsv1alpha1.ReasonUserCancelled:
		o, err = stopped(ctx, r, run, at, done)
	default:
		o, err = start(ctx, r, run, job, at)
	}
	o.Progress, o.Outputs, o.LogsRef = done.Progress, done.Outputs, done.LogsRef
	return o, err
}

// stopped ends a run that was cancelled between two hooks, once a Job that was made and not recorded has stopped.
func stopped(ctx context.Context, r client.Reader, run engines.Run, at step, done engines.Outcome) (engines.Outcome, error) {
	unrecorded, err := nextJob(ctx, r, run, at)
	if err != nil {
		return engines.Outcome{}, err
	}
	if unrecorded != nil && !jobs.Ended(unrecorded) {
		return engines.Running(opsv1alpha1.ReasonUserCancelled, "Job %s of hook %s is being deleted", unrecorded.Name, at.next()), nil
	}
	return engines.Failed(opsv1alpha1.ReasonUserCancelled, "%s; the hooks after it are not run any more", done.Message), nil
}

// start makes the next step by the record that the run began with.
func start(ctx context.Context, r client.Reader, run engines.Run, job *batchv1.Job, at step) (engines.Outcome, error) {
	next, err := plan(ctx, r, run, job, at.next())
	var blocked *engines.BlockedError
	var invalid *engines.InvalidError
	switch {
	case errors.As(err, &blocked) && blocked.Reason == opsv1alpha1.ReasonRbacProfileMissing:
		o := engines.Running(opsv1alpha1.ReasonEngineRunning, "%s", blocked.Message)
		o.Waiting = blocked.Reason
		return o, nil
	case errors.Is(err, helmrecord.ErrGone), errors.As(err, &blocked), errors.As(err, &invalid):
		return engines.Failed(ReasonReleaseRecordGone, "hook %s is complete, and those after it were not run: %s", at, recordGone(job)), nil
	case err != nil:
		return engines.Outcome{}, err
	}
	o := nextStep(at)
	o.Next = []engines.Change{next}
	return o, nil
}

func nextStep(at step) engines.Outcome {
	return engines.Running(opsv1alpha1.ReasonEngineRunning, "hook %s is complete; the next one is to be started", at)
}

// plan makes the Job of a later step.
func plan(ctx context.Context, r client.Reader, run engines.Run, before *batchv1.Job, at step) (engines.Change, error) {
	p, err := decode(run.Operation)
	if err != nil {
		return engines.Change{}, err
	}
	rec, err := readRecord(ctx, r, run, revisionOf(before))
	if err != nil {
		return engines.Change{}, err
	}
	hooks, err := p.choose(rec)
	if err != nil {
		return engines.Change{}, err
	}
	if len(hooks) != at.of {
		return engines.Change{}, helmrecord.ErrGone
	}
	job, err := p.clone(run, hooks[at.number-1], rec, at)
	if err != nil {
		return engines.Change{}, err
	}
	return engines.Create(job), nil
}

func recordGone(job *batchv1.Job) string {
	return fmt.Sprintf("Secret %s/%s, the record of the revision that this run began with, is gone or is another one now", job.Namespace, revisionOf(job).secret)
}

// subject is what messages call a hook's Job.
func subject(job *batchv1.Job, at step) string {
	name := "Job " + job.Name
	if hook := job.Labels[labelHook]; hook != "" {
		name = fmt.Sprintf("hook %s (%s)", hook, name)
	}
	if at.of > 1 {
		return fmt.Sprintf("%s, %s,", name, at)
	}
	return name
}

// decorate adds which hook it is about.
func decorate(o engines.Outcome, job *batchv1.Job, at step) engines.Outcome {
	if at.of > 1 {
		o.Progress = fmt.Sprintf("hook %s, %s", at, o.Progress)
	}
	if hook := job.Labels[labelHook]; hook != "" {
		o.Outputs["hookName"] = hook
	}
	if secret := revisionOf(job).secret; secret != "" {
		o.Outputs["releaseRecord"] = secret
	}
	return o
}
