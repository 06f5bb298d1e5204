// SPDX-License-Identifier: Apache-2.0

package hub

import (
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// asksClusters tells whether an Operation is a dry run that goes to the clusters, as a run does, to have each say what it would do.
func asksClusters(op *opsv1alpha1.Operation) bool {
	return op.Spec.DryRun && op.Spec.DryRunScope == opsv1alpha1.DryRunClusters
}
