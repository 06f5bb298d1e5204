// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Indexes of Operations in the cache.
const (
	indexPlacement = "hub.placement" // Operations that have not begun, or that follow it, by the name of their Placement
	indexTarget    = "hub.target"    // Operations that have not begun, by the name of their target
	indexUnstarted = "hub.unstarted" // all Operations that have not begun; its value is its name
	indexRunning   = "hub.running"   // all Operations that have begun and not ended; its value is its name
	indexKey       = "hub.key"       // Operations that have not ended, by their concurrencyKey
)

// operationIndexes say under what an Operation is found in each; nowhere when empty.
var operationIndexes = map[string]func(*opsv1alpha1.Operation) string{
	indexPlacement: func(op *opsv1alpha1.Operation) string {
		follows := op.Status.Phase == opsv1alpha1.PhaseRunning && op.Spec.Placement != nil && op.Spec.Placement.OnChange == opsv1alpha1.ChangeFollow
		if op.Spec.Placement == nil || hasBegun(op) && !follows {
			return ""
		}
		return op.Spec.Placement.PlacementRef.Name
	},
	indexTarget: func(op *opsv1alpha1.Operation) string {
		if hasBegun(op) || op.Spec.Placement != nil || op.Spec.TargetRef == nil {
			return ""
		}
		return op.Spec.TargetRef.Name
	},
	indexUnstarted: func(op *opsv1alpha1.Operation) string {
		if hasBegun(op) || belongsToSpoke(op) {
			return ""
		}
		return indexUnstarted
	},
	indexRunning: func(op *opsv1alpha1.Operation) string {
		if op.Status.Phase != opsv1alpha1.PhaseRunning || belongsToSpoke(op) {
			return ""
		}
		return indexRunning
	},
	indexKey: func(op *opsv1alpha1.Operation) string {
		if op.Status.Phase.Terminal() || belongsToSpoke(op) {
			return ""
		}
		return op.Spec.ConcurrencyKey
	},
}

// hasBegun tells whether an Operation runs, or has ended.
func hasBegun(op *opsv1alpha1.Operation) bool {
	return op.Status.Phase == opsv1alpha1.PhaseRunning || op.Status.Phase.Terminal()
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for index, of := range operationIndexes {
		err := indexer.IndexField(ctx, &opsv1alpha1.Operation{}, index, func(o client.Object) []string {
			if op, isOperation := o.(*opsv1alpha1.Operation); isOperation {
				return under(of(op))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return indexer.IndexField(ctx, &workv1.ManifestWork{}, indexOperation, func(o client.Object) []string {
		return under(o.GetLabels()[opsv1alpha1.LabelOperation])
	})
}

func under(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
