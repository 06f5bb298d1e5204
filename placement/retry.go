// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"slices"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Retries tells whether a cluster that ended like this is started again by a retry of these; of all that may be when none is named. One that succeeded never is,
// nor one that a person stopped.
func Retries(of []opsv1alpha1.RetryOutcome, r ClusterResult) bool {
	if r.State != Failed && r.State != Skipped {
		return false
	}
	away := r.Reason == opsv1alpha1.ReasonClusterUnreachable
	return len(of) == 0 ||
		away && slices.Contains(of, opsv1alpha1.RetryUnreachable) ||
		!away && r.State == Failed && slices.Contains(of, opsv1alpha1.RetryFailed) ||
		r.State == Skipped && slices.Contains(of, opsv1alpha1.RetrySkipped)
}
