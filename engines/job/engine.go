// SPDX-License-Identifier: Apache-2.0

package job

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/jobs"
)

// Engine runs Jobs.
type Engine struct{}

var (
	_ engines.Engine   = Engine{}
	_ engines.Canceler = Engine{}
)

// New returns the engine.
func New() Engine { return Engine{} }

// Name is job.
func (Engine) Name() opsv1alpha1.OperationEngine { return opsv1alpha1.EngineJob }

// Parameters are the same for every type but Upgrade: a command cannot move a release to another chart version.
func (Engine) Parameters(t opsv1alpha1.OperationType) any {
	if t == opsv1alpha1.TypeUpgrade {
		return nil
	}
	return &Parameters{}
}

// Kinds are Jobs, which decide, and Pods, which explain.
func (Engine) Kinds() []client.Object { return jobs.Kinds() }

// Plan creates one Job.
func (Engine) Plan(_ context.Context, _ client.Reader, run engines.Run) ([]engines.Change, error) {
	p, err := decode(run.Operation)
	if err != nil {
		return nil, err
	}
	return []engines.Change{engines.Create(build(run, p))}, nil
}

// Observe reads the run's Job, and its pods for the details.
func (Engine) Observe(ctx context.Context, r client.Reader, run engines.Run) (engines.Outcome, error) {
	job, err := jobs.Find(ctx, r, run, run.Name())
	switch {
	case err != nil:
		return engines.Outcome{}, err
	case job == nil && run.Applied():
		return engines.Lost(jobs.Kind, run.Name()), nil
	case job == nil:
		return engines.Running(opsv1alpha1.ReasonEngineStarted, "Job %s has not been created yet", run.Name()), nil
	}
	return jobs.Judge(ctx, r, job, "Job "+job.Name)
}

// Cancel deletes the Job with its pods. A Job that has ended keeps its result.
func (Engine) Cancel(ctx context.Context, r client.Reader, run engines.Run) (engines.Cancellation, error) {
	return jobs.Cancel(ctx, r, run, run.Name(), "command")
}
