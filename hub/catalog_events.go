// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/telemetry"
)

func setupCatalog(mgr ctrl.Manager, options Options) error {
	if !options.DeliverCatalog {
		return nil
	}
	r := &CatalogReconciler{
		shipper: shipper{mgr.GetClient(), mgr.GetAPIReader(), flowcontrol.NewTokenBucketRateLimiter(catalogWrites, catalogWrites)},
		Events:  mgr.GetEventRecorder("vworkspace-hub"), Options: options,
	}
	ofCatalog := func(name string) bool {
		_, ours := catalogChunk(name)
		return ours
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("catalog").
		WithOptions(controllerOptions(mgr, "catalog", telemetry.KeyCluster)).
		For(&clusterv1.ManagedCluster{}, builder.WithPredicates(newsOfAgent())).
		Watches(&workv1.ManifestWork{}, itsCluster(), builder.WithPredicates(named(ofCatalog), newsOfShipment())).
		Watches(&opsv1alpha1.OperationTemplate{}, everyCluster(r, r.CatalogDelay), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
}

// itsCluster asks for a pass over the cluster that a ManifestWork is for.
func itsCluster() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []ctrl.Request {
		return []ctrl.Request{{NamespacedName: types.NamespacedName{Name: o.GetNamespace()}}}
	})
}

// named lets those through whose name is right.
func named(right func(name string) bool) predicate.Predicate {
	return predicate.NewPredicateFuncs(func(o client.Object) bool { return right(o.GetName()) })
}

// newsOfAgent lets through that an agent has come to a cluster, or that the cluster is the hub, or not any more.
func newsOfAgent() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*clusterv1.ManagedCluster)
		after, ok2 := e.ObjectNew.(*clusterv1.ManagedCluster)
		return ok1 && ok2 && (len(before.Status.ClusterClaims) != len(after.Status.ClusterClaims) || before.Labels[labelItself] != after.Labels[labelItself])
	}}
}

// newsOfShipment lets through that somebody else has edited a ManifestWork, and that the cluster has applied it: another one may wait for that. What the hub
// wrote itself is no news: a pass after each write would write again while a whole catalog is being changed.
func newsOfShipment() predicate.Predicate {
	edited := func(o client.Object) bool {
		work, ok := o.(*workv1.ManifestWork)
		if !ok {
			return false
		}
		_, reliable := shipmentOf(work)
		return !reliable
	}
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return edited(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok1 := e.ObjectOld.(*workv1.ManifestWork)
			after, ok2 := e.ObjectNew.(*workv1.ManifestWork)
			if !ok1 || !ok2 {
				return false
			}
			annotated := before.Generation == after.Generation && before.Annotations[annotationCatalog] != after.Annotations[annotationCatalog]
			return edited(after) || annotated || !maps.Equal(before.Labels, after.Labels) || appliedAt(before) != appliedAt(after)
		},
	}
}

// appliedAt is what changes when the work agent has gone over a ManifestWork.
func appliedAt(work *workv1.ManifestWork) string {
	c := meta.FindStatusCondition(work.Status.Conditions, workv1.WorkApplied)
	if c == nil {
		return ""
	}
	return fmt.Sprint(c.Status, c.ObservedGeneration)
}

// everyCluster asks for a pass over every cluster a while after something has changed that goes to all, so that many changes at once are one write for each.
func everyCluster(c client.Reader, delay time.Duration) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	ask := func(ctx context.Context, q queue) {
		list := &clusterv1.ManagedClusterList{}
		if err := c.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return // the cache has stopped: so has everything else
		}
		for i := range list.Items {
			q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: list.Items[i].Name}}, delay)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList { // the clusters come by themselves then
				ask(ctx, q)
			}
		},
		UpdateFunc: func(ctx context.Context, _ event.UpdateEvent, q queue) { ask(ctx, q) },
		DeleteFunc: func(ctx context.Context, _ event.DeleteEvent, q queue) { ask(ctx, q) },
	}
}
