// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// frozen is the Freeze that holds an Operation, if there is one: the first by name. A dry run does nothing that could be held.
func (r *OperationReconciler) frozen(ctx context.Context, p *pass) (placement.Gate, error) {
	list := &opsv1alpha1.FreezeList{}
	if err := r.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return placement.Gate{}, fmt.Errorf("list Freezes: %w", err)
	}
	if p.op.Spec.DryRun {
		return placement.Gate{}, nil
	}
	byName := slices.SortedFunc(slices.Values(list.Items), func(a, b opsv1alpha1.Freeze) int { return cmp.Compare(a.Name, b.Name) })
	for i := range byName {
		if f := &byName[i]; f.Holds(p.op.Spec.Type, p.now) {
			return frozenBy(f), nil
		}
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

// unended finds all Operations of a hub that have not ended: what has changed concerns every one of them.
func (r *OperationReconciler) unended() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, _ client.Object) (requests []ctrl.Request) {
		for _, index := range []string{indexUnstarted, indexRunning} {
			list := &opsv1alpha1.OperationList{}
			if err := r.List(ctx, list, client.MatchingFields{index: index}, client.UnsafeDisableDeepCopy); err != nil {
				return nil // the cache has stopped: so has everything else
			}
			for i := range list.Items {
				requests = append(requests, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: list.Items[i].Namespace, Name: list.Items[i].Name}})
			}
		}
		return requests
	})
}
