// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// frozen is the Freeze that holds Operations of a type, if there is one: of those that a reader has - a cache, or the API server - the one that holds for longest.
func frozen(ctx context.Context, from client.Reader, of opsv1alpha1.OperationType, now time.Time) (placement.Gate, error) {
	list := &opsv1alpha1.FreezeList{}
	if err := from.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return placement.Gate{}, fmt.Errorf("list Freezes: %w", err)
	}
	if f := placement.Frozen(list.Items, of, now); f != nil {
		return frozenBy(f), nil
	}
	return placement.Gate{}, nil
}

func frozenBy(f *opsv1alpha1.Freeze) placement.Gate {
	gate := placement.Gate{Reason: opsv1alpha1.ReasonFrozen, Message: fmt.Sprintf("held by Freeze %s (%s)", f.Name, f.Spec.Reason)}
	if until := f.Spec.Until; until != nil {
		gate.Opens = until.Time
		gate.Message += " until " + until.UTC().Format(time.RFC3339)
	}
	return gate
}

// blockedBy says in the status of an Operation that has not begun what holds it. That is no fault of its own, so it is not held against its start deadline.
func (p *pass) blockedBy(gate placement.Gate) {
	p.transition().Block(gate.Reason, gate.Message)
	if !gate.Opens.IsZero() {
		p.after(max(gate.Opens.Sub(p.now), time.Millisecond))
	}
}
