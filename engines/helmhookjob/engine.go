// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"context"
	"errors"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v3/pkg/release"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/helmrecord"
	"vworkspace.io/fleet/engines/jobs"
)

// Engine runs hooks.
type Engine struct{}

var (
	_ engines.Engine   = Engine{}
	_ engines.Canceler = Engine{}
	_ engines.Stepper  = Engine{}
)

// New returns the engine.
func New() Engine { return Engine{} }

// Name is helmHookJob.
func (Engine) Name() opsv1alpha1.OperationEngine { return opsv1alpha1.EngineHelmHookJob }

// Parameters are the same for every type but Upgrade: a hook cannot move a release to another chart version.
func (Engine) Parameters(t opsv1alpha1.OperationType) any {
	if t == opsv1alpha1.TypeUpgrade {
		return nil
	}
	return &Parameters{}
}

// Kinds are those of a Job, and HelmReleases, which name the release. Release records are Secrets and are not watched.
func (Engine) Kinds() []client.Object { return append(jobs.Kinds(), &helmv2.HelmRelease{}) }

// Plan creates the Job of the first hook.
func (Engine) Plan(ctx context.Context, r client.Reader, run engines.Run) ([]engines.Change, error) {
	p, rec, hooks, err := chosen(ctx, r, run)
	if err != nil {
		return nil, err
	}
	job, err := p.clone(run, hooks[0], rec, step{number: 1, of: len(hooks)})
	if err != nil {
		return nil, err
	}
	return []engines.Change{engines.Create(job)}, nil
}

// Steps are the Jobs of all hooks.
func (Engine) Steps(ctx context.Context, r client.Reader, run engines.Run) ([]client.Object, error) {
	p, rec, hooks, err := chosen(ctx, r, run)
	if err != nil {
		return nil, err
	}
	all := make([]client.Object, 0, len(hooks))
	for i, hook := range hooks {
		job, err := p.clone(run, hook, rec, step{number: i + 1, of: len(hooks)})
		if err != nil {
			return nil, err
		}
		all = append(all, job)
	}
	return all, nil
}

// chosen are the hooks that a run begins with, and the record that they are in.
func chosen(ctx context.Context, r client.Reader, run engines.Run) (*Parameters, *helmrecord.Record, []*release.Hook, error) {
	p, err := decode(run.Operation)
	if err != nil {
		return nil, nil, nil, err
	}
	if run.Target == nil {
		return nil, nil, nil, &engines.BlockedError{Reason: opsv1alpha1.ReasonTargetNotFound, Message: "the ApplicationInstance does not exist"}
	}
	if err := checkTarget(run.Target); err != nil {
		return nil, nil, nil, err
	}
	rec, err := firstRecord(ctx, r, run)
	if err != nil {
		return nil, nil, nil, err
	}
	hooks, err := p.choose(rec)
	return p, rec, hooks, err
}

// firstRecord is the record that a run begins with. One that was interrupted after its first Job was made stays with that Job's, though the
// release was upgraded meanwhile.
func firstRecord(ctx context.Context, r client.Reader, run engines.Run) (*helmrecord.Record, error) {
	job, err := jobs.Find(ctx, r, run, run.Name())
	if err != nil {
		return nil, err
	}
	if job != nil {
		rec, err := readRecord(ctx, r, run, revisionOf(job))
		if errors.Is(err, helmrecord.ErrGone) {
			return nil, &engines.BlockedError{Reason: ReasonReleaseRecordGone, Message: recordGone(job) +
				"; Job " + job.Name + ", which this run had made from it, goes with the Operation"}
		}
		return rec, err
	}
	rev, err := deployedRevision(ctx, r, run)
	if err != nil {
		return nil, err
	}
	rec, err := readRecord(ctx, r, run, rev)
	if errors.Is(err, helmrecord.ErrGone) {
		return nil, requiresRelease("Secret %s/%s, which holds the revision that Flux calls deployed, does not exist: see `helm history -n %s`",
			run.Namespace(), rev.secret, run.Namespace())
	}
	return rec, err
}

// Cancel deletes the Job that runs, with its pods. The hooks after it are not run.
func (Engine) Cancel(ctx context.Context, r client.Reader, run engines.Run) (engines.Cancellation, error) {
	at := current(run)
	unrecorded, err := nextJob(ctx, r, run, at)
	if err != nil {
		return engines.Cancellation{}, err
	}
	if unrecorded != nil {
		at = at.next()
	}
	return jobs.Cancel(ctx, r, run, at.name(run), "hook")
}

// nextJob is the Job of the step after the recorded ones, if the agent died between making and recording it.
func nextJob(ctx context.Context, r client.Reader, run engines.Run, at step) (*batchv1.Job, error) {
	if !run.Applied() {
		return nil, nil
	}
	return jobs.Find(ctx, r, run, at.next().name(run))
}
