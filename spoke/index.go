// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Indexes of the cache. Those on live Operations drop an Operation when it ends, so that looking up does not get slower with history.
const (
	// indexUID finds an Operation by its UID, as in the label of what was made for it.
	indexUID = "spoke.uid"
	// indexParent finds the Operations that one Operation was expanded into.
	indexParent = "spoke.parent"
	// indexTarget finds live Operations by the instance they act on.
	indexTarget = "spoke.target"
	// indexResource finds live Operations by an object that they changed.
	indexResource = "spoke.resource"
	// indexStage finds live Operations by what they wait for: stageUnstarted or stageRunning.
	indexStage = "spoke.stage"
	// indexRelease finds ApplicationInstances by the name of their HelmRelease.
	indexRelease = "spoke.release"
)

const (
	stageUnstarted = "unstarted"
	stageRunning   = "running"
)

// addIndexes must be called before the cache starts.
func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	onOperation := map[string]func(*opsv1alpha1.Operation) []string{
		indexUID:      func(op *opsv1alpha1.Operation) []string { return []string{string(op.UID)} },
		indexParent:   parentOf,
		indexTarget:   liveTarget,
		indexResource: liveResources,
		indexStage:    stage,
	}
	for name, f := range onOperation {
		if err := indexer.IndexField(ctx, &opsv1alpha1.Operation{}, name, func(obj client.Object) []string {
			return f(obj.(*opsv1alpha1.Operation))
		}); err != nil {
			return fmt.Errorf("index Operations by %s: %w", name, err)
		}
	}
	err := indexer.IndexField(ctx, &appsv1alpha1.ApplicationInstance{}, indexRelease, func(obj client.Object) []string {
		if r := obj.(*appsv1alpha1.ApplicationInstance).Spec.Release; r != nil {
			return []string{r.Name}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("index ApplicationInstances by release: %w", err)
	}
	return nil
}

func parentOf(op *opsv1alpha1.Operation) []string {
	if uid := op.Labels[opsv1alpha1.LabelParent]; uid != "" {
		return []string{uid}
	}
	return nil
}

func liveTarget(op *opsv1alpha1.Operation) []string {
	if op.Spec.TargetRef == nil || op.Status.Phase.Terminal() {
		return nil
	}
	return []string{op.Spec.TargetRef.Name}
}

func liveResources(op *opsv1alpha1.Operation) []string {
	if op.Status.Phase.Terminal() {
		return nil
	}
	keys := make([]string, 0, len(op.Status.Resources))
	for _, r := range op.Status.Resources {
		keys = append(keys, resourceKey(r.Kind, r.Namespace, r.Name))
	}
	return keys
}

func resourceKey(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

func stage(op *opsv1alpha1.Operation) []string {
	switch {
	case op.Spec.Placement != nil || op.Status.Phase.Terminal():
		return nil
	case op.Status.Phase == opsv1alpha1.PhaseRunning:
		return []string{stageRunning}
	default:
		return []string{stageUnstarted}
	}
}
