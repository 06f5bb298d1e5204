// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"context"
	"fmt"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// kind of what the engine makes.
const kind = "Workflow"

// Engine runs Workflows.
type Engine struct{}

var (
	_ engines.Engine   = Engine{}
	_ engines.Canceler = Engine{}
)

// New returns the engine.
func New() Engine { return Engine{} }

// Name is workflow.
func (Engine) Name() opsv1alpha1.OperationEngine { return opsv1alpha1.EngineWorkflow }

// Parameters are the same for every type but Upgrade: a workflow does not own the chart version of a release.
func (Engine) Parameters(t opsv1alpha1.OperationType) any {
	if t == opsv1alpha1.TypeUpgrade {
		return nil
	}
	return &Parameters{}
}

// Kinds are Workflows. Their pods need not be read: Argo puts what it knows of a pod's end into the Workflow.
func (Engine) Kinds() []client.Object { return []client.Object{&wfv1.Workflow{}} }

// Plan creates one Workflow. The template is asked only until the Workflow exists, so that a plan that is repeated after a crash is the same
// whatever became of the template.
func (Engine) Plan(ctx context.Context, r client.Reader, run engines.Run) ([]engines.Change, error) {
	p, err := decode(run.Operation)
	if err != nil {
		return nil, err
	}
	made, err := find(ctx, r, run)
	if err != nil {
		return nil, err
	}
	if made != nil {
		return []engines.Change{engines.Create(build(run, p, made.Spec.ServiceAccountName))}, nil
	}
	t, err := readTemplate(ctx, r, run.Namespace(), p)
	if err != nil {
		return nil, err
	}
	if err := engines.Invalid(t.check(p, arguments(run, p), engines.ParametersPath())...); err != nil {
		return nil, err
	}
	return []engines.Change{engines.Create(build(run, p, t.serviceAccount(p)))}, nil
}

// Observe reads the run's Workflow.
func (Engine) Observe(ctx context.Context, r client.Reader, run engines.Run) (engines.Outcome, error) {
	wf, err := find(ctx, r, run)
	if err != nil {
		return engines.Outcome{}, err
	}
	if wf == nil {
		if run.Applied() {
			return engines.Lost(kind, run.Name()), nil
		}
		return engines.Running(opsv1alpha1.ReasonEngineStarted, "Workflow %s has not been created yet", run.Name()), nil
	}
	return judge(wf), nil
}

// find returns the run's own Workflow, or nil: one of another run, or one that took the recorded one's place, is none.
func find(ctx context.Context, r client.Reader, run engines.Run) (*wfv1.Workflow, error) {
	wf := &wfv1.Workflow{}
	key := client.ObjectKey{Namespace: run.Namespace(), Name: run.Name()}
	if err := r.Get(ctx, key, wf); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("read Workflow %s: %w", key, err)
	}
	if !run.Owns(wf, kind) {
		return nil, nil
	}
	return wf, nil
}
