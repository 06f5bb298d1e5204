// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"context"
	"fmt"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Cancel shuts the Workflow down. One that has ended keeps its result.
func (Engine) Cancel(ctx context.Context, r client.Reader, run engines.Run) (engines.Cancellation, error) {
	wf, err := find(ctx, r, run)
	if err != nil {
		return engines.Cancellation{}, err
	}
	if wf == nil || ended(wf) {
		return engines.Cancellation{Message: fmt.Sprintf("Workflow %s does not run; there is nothing to stop", run.Name())}, nil
	}
	strategy := strategyFor(run.Operation, wf)
	change, err := shutDown(wf, strategy)
	if err != nil {
		return engines.Cancellation{}, fmt.Errorf("encode Workflow %s: %w", wf.Name, err)
	}
	return engines.Cancellation{
		Apply:   []engines.Change{change},
		Message: fmt.Sprintf("Workflow %s is stopped (%s): %s", wf.Name, strategy, effect(wf, strategy)),
	}, nil
}

// effect is what shutting the Workflow down does, for people.
func effect(wf *wfv1.Workflow, strategy wfv1.ShutdownStrategy) string {
	const notUndone = "what its steps did until then is not undone"
	switch {
	case !begun(wf):
		return "it had not begun"
	case strategy == wfv1.ShutdownStrategyStop:
		return "its pods are killed, and its exit handlers still run; " + notUndone
	default:
		return "its pods are killed, and its exit handlers do not run; " + notUndone
	}
}

// strategyFor is how the Workflow is shut down.
func strategyFor(op *opsv1alpha1.Operation, wf *wfv1.Workflow) wfv1.ShutdownStrategy {
	p, err := decode(op)
	switch {
	case err != nil, wf.Spec.Shutdown == wfv1.ShutdownStrategyTerminate:
		// A stop is never refused for what the parameters say, nor made weaker.
		return wfv1.ShutdownStrategyTerminate
	case !begun(wf):
		// Argo does not look at Stop while a workflow is queued. Nothing has run, so no exit handler is owed.
		return wfv1.ShutdownStrategyTerminate
	default:
		return p.shutdown()
	}
}

// shutDown sets spec.shutdown. The whole spec goes along: Argo's minimal CRD makes it one atomic value, so that to apply one field of it would erase
// the others. Argo does not end a suspended workflow, so that is taken back.
func shutDown(wf *wfv1.Workflow, strategy wfv1.ShutdownStrategy) (engines.Change, error) {
	spec := wf.Spec.DeepCopy()
	spec.Shutdown = strategy
	if spec.Suspend != nil {
		spec.Suspend = ptr.To(false)
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	if err != nil {
		return engines.Change{}, err
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	u.SetGroupVersionKind(wfv1.SchemeGroupVersion.WithKind(kind))
	u.SetNamespace(wf.Namespace)
	u.SetName(wf.Name)
	return engines.Apply(u), nil
}
