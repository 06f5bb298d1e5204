// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// frozen says which Freeze on this cluster holds an Operation, be it one of its own or one that the hub has delivered; nothing when none does. As busy, it
// is asked last, and once more right before the fence, of the API server.
func (v *visit) frozen(ctx context.Context, r client.Reader) (*blocker, error) {
	var list opsv1alpha1.FreezeList
	if err := r.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("read the Freezes: %w", err)
	}
	freeze := placement.Frozen(list.Items, v.op.Spec.Type, v.now)
	if freeze == nil {
		return nil, nil
	}
	goes := "when that is removed"
	var opens time.Duration
	if until := freeze.Spec.Until; until != nil {
		goes += ", or at " + until.UTC().Format(time.RFC3339)
		opens = until.Sub(v.now)
	}
	b := blocked(opsv1alpha1.ReasonFrozen, "Freeze %s holds it (%q); it goes on by itself %s", freeze.Name, freeze.Spec.Reason, goes)
	b.opens = opens
	return b, nil
}

// unfrozen wants no Freeze to hold the run.
func unfrozen(f facts) *blocker { return f.frozen }
