// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// fillsWithin is how long a request waits for its cluster's caches, and fillsAgain how soon it comes again when that is too short.
	fillsWithin = time.Second
	fillsAgain  = 5 * time.Second
	fillsPoll   = 20 * time.Millisecond
)

// arrival lets a request through once its cluster has been heard: a hosted cluster is engaged before its API server has answered, and reading a cache
// that is not filled blocks a worker for as long as that takes. What is done for a cluster that leaves meanwhile is broken off.
type arrival struct {
	sites *sites
	next  mcreconcile.Reconciler
}

// Reconcile implements reconcile.Reconciler.
func (a arrival) Reconcile(ctx context.Context, req mcreconcile.Request) (ctrl.Result, error) {
	s, err := a.sites.get(req.ClusterName)
	if err != nil {
		return ctrl.Result{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.engaged, cancel)() //nolint:contextcheck // nothing is done in it: its end is the site's
	if heard, err := s.heard(ctx); err != nil || !heard {
		return ctrl.Result{RequeueAfter: fillsAgain}, err
	}
	return a.next.Reconcile(ctx, req)
}

// heard tells whether the caches hold all that there was, and waits a moment for it.
func (s *site) heard(ctx context.Context) (bool, error) {
	if s.filled.Load() {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fillsWithin)
	defer cancel()
	for _, obj := range watched() {
		informer, err := s.caches.GetInformer(ctx, obj, cache.BlockUntilSynced(false))
		if err != nil {
			return false, err
		}
		for !informer.HasSynced() {
			select {
			case <-ctx.Done():
				return false, nil
			case <-time.After(fillsPoll):
			}
		}
	}
	s.filled.Store(true)
	return true, nil
}

// watched are the kinds that every cluster serves.
func watched() []client.Object {
	return []client.Object{&opsv1alpha1.Operation{}, &opsv1alpha1.AgentPolicy{}, &opsv1alpha1.Freeze{}, &appsv1alpha1.ApplicationInstance{}, &corev1.Namespace{}}
}
