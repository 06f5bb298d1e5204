// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"

	"vworkspace.io/fleet/placement"
)

// gatesOf a run are what holds its clusters back now, besides its rollout: a Freeze, a maintenance window, another Operation. They are read from the cache.
func (r *OperationReconciler) gatesOf(ctx context.Context, p *pass) (placement.Gates, error) {
	var gates placement.Gates
	if p.op.Spec.Cancel || p.run.everyoneStarted() {
		return gates, nil
	}
	frozen, err1 := r.frozen(ctx, p)
	unapproved, err2 := r.unapproved(ctx, p.op)
	rivals, err3 := r.rivals(ctx, p)
	windows, err4 := r.windows(ctx, p)
	gates.All, gates.Groups = frozen, unapproved
	gates.Of = func(cluster string) placement.Gate {
		if gate := rivals(cluster); gate.Reason != "" {
			return gate
		}
		return windows(cluster)
	}
	return gates, errors.Join(err1, err2, err3, err4)
}

// everyoneStarted tells whether no cluster is left to be held back.
func (r *run) everyoneStarted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tally.Started()
}
