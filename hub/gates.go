// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// gatesOf a run are what holds its clusters back now, besides its rollout: a Freeze, a maintenance window, another Operation. They are read from the cache.
func (r *OperationReconciler) gatesOf(ctx context.Context, p *pass) (placement.Gates, error) {
	var gates placement.Gates
	if p.op.Spec.Cancel || p.op.Spec.DryRun || p.run.everyoneStarted() {
		return gates, nil // a dry run does nothing that could be held
	}
	p.run.mu.Lock()
	takes, template, left := p.run.tally.Typical(), p.run.plan.Spec.TemplateRef, p.run.tally.NotStarted(0)
	p.run.mu.Unlock()
	held, err1 := frozen(ctx, r.Client, p.op.Spec.Type, p.now)
	unapproved, err2 := r.unapproved(ctx, p.op)
	holds, err3 := r.holds(ctx, p, left, template, takes)
	gates.All, gates.Groups, gates.Of = held, unapproved, holds
	return gates, errors.Join(err1, err2, err3)
}

// holds are what holds clusters of an Operation back now: another one, or a maintenance window. template is that of all of them, if there is one; takes is
// how long a cluster is known to take, or 0.
func (r *OperationReconciler) holds(
	ctx context.Context, p *pass, clusters []string, template *opsv1alpha1.TemplateRef, takes time.Duration,
) (func(cluster string) placement.Gate, error) {
	rivals, err1 := r.rivals(ctx, p, clusters)
	windows, err2 := r.windows(ctx, p, template, takes)
	return func(cluster string) placement.Gate {
		if gate := rivals(cluster); gate.Reason != "" {
			return gate
		}
		return windows(cluster)
	}, errors.Join(err1, err2)
}

// everyoneStarted tells whether no cluster is left to be held back.
func (r *run) everyoneStarted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tally.Started()
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
