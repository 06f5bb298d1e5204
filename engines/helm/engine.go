// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Engine upgrades releases. It is no engines.Canceler: Flux cannot stop a Helm action half-way, and putting the version back would be
// another upgrade, which is for a person to ask for.
type Engine struct{}

var _ engines.Engine = Engine{}

// New returns the engine.
func New() Engine { return Engine{} }

// Name is helm.
func (Engine) Name() opsv1alpha1.OperationEngine { return opsv1alpha1.EngineHelm }

// Parameters of an Upgrade; the engine does nothing else.
func (Engine) Parameters(t opsv1alpha1.OperationType) any {
	if t != opsv1alpha1.TypeUpgrade {
		return nil
	}
	return &Parameters{}
}

// Kinds are HelmReleases, and where their charts come from. None of them carries the run's label: they belong to the target.
func (Engine) Kinds() []client.Object {
	return []client.Object{&helmv2.HelmRelease{}, &sourcev1.HelmChart{}, &sourcev1.OCIRepository{}, &sourcev1.HelmRepository{}}
}

// Plan applies the version and the values where they are decided: to the ApplicationInstance (managed) or to the HelmRelease or its
// OCIRepository (adopted). It plans nothing when the release is so already.
func (Engine) Plan(ctx context.Context, r client.Reader, run engines.Run) ([]engines.Change, error) {
	p, err := decode(run.Operation)
	if err != nil {
		return nil, err
	}
	if run.Target == nil {
		return nil, &engines.BlockedError{Reason: opsv1alpha1.ReasonTargetNotFound, Message: "the ApplicationInstance does not exist"}
	}
	if err := p.checkTarget(run.Target); err != nil {
		return nil, err
	}
	live, err := readRelease(ctx, r, run.Namespace(), run.Target.Spec.Release.Name)
	if err != nil {
		return nil, err
	}
	want, err := wantedOf(p, run, live)
	if err != nil {
		return nil, err
	}
	if run.Target.Spec.Mode == appsv1alpha1.ModeAdopted {
		return want.planAdopted(ctx, r, live)
	}
	return want.planManaged(live)
}

// Observe follows the change down to the Helm release.
func (Engine) Observe(ctx context.Context, r client.Reader, run engines.Run) (engines.Outcome, error) {
	p, err := decode(run.Operation)
	if err != nil {
		return engines.Outcome{}, err
	}
	if lost, err := lost(ctx, r, run); lost != nil || err != nil {
		return outcomeOf(lost), err
	}
	name := releaseName(run)
	if name == "" && run.Target != nil {
		return engines.Outcome{}, p.checkTarget(run.Target)
	}
	if name == "" {
		return engines.Lost("ApplicationInstance", targetName(run)), nil
	}
	live, err := readRelease(ctx, r, run.Namespace(), name)
	if err != nil {
		return engines.Outcome{}, err
	}
	want, err := wantedOf(p, run, live)
	if err != nil && !run.Applied() {
		// Nothing was begun, and Plan ends such a run. An error here would be tried again for ever.
		return engines.Running(opsv1alpha1.ReasonEngineStarted, "%s", err), nil
	}
	return want.observe(live), nil
}

func outcomeOf(o *engines.Outcome) engines.Outcome {
	if o == nil {
		return engines.Outcome{}
	}
	return *o
}
