// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	workv1 "open-cluster-management.io/api/work/v1"

	"vworkspace.io/fleet/admission"
	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/telemetry"
)

// concurrency is how many Operations, and how many ApplicationInstances, are looked after at once. They share the lanes, so that more of them do not ask more of
// the API server; a few more than it takes keep one free for what is new.
const concurrency = 8

// ManagerOptions are what a manager needs for Setup; everything else about it is the caller's choice.
func ManagerOptions() manager.Options {
	return manager.Options{Scheme: NewScheme(), Cache: CacheOptions(), Client: ClientOptions()}
}

// Kinds that the API server must serve for the hub to work.
func Kinds() []client.Object {
	return []client.Object{
		&opsv1alpha1.Operation{}, &opsv1alpha1.OperationTemplate{}, &appsv1alpha1.ApplicationInstance{},
		&opsv1alpha1.MaintenanceWindow{}, &opsv1alpha1.Freeze{},
		&workv1.ManifestWork{}, &clusterv1.ManagedCluster{}, &clusterv1beta1.Placement{}, &clusterv1beta1.PlacementDecision{},
	}
}

// Setup adds the hub's controllers to a manager that was made with ManagerOptions.
func Setup(ctx context.Context, mgr ctrl.Manager, options Options) error {
	options = options.complete()
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	if err := setupOperations(ctx, mgr, options); err != nil {
		return err
	}
	if err := setupReaper(mgr); err != nil {
		return err
	}
	if err := setupReminder(mgr, options); err != nil {
		return err
	}
	if err := setupSweeper(mgr, options); err != nil {
		return err
	}
	if err := setupCatalog(mgr, options); err != nil {
		return err
	}
	if err := setupFreezes(mgr, options); err != nil {
		return err
	}
	return setupInstances(mgr, options)
}

func setupOperations(ctx context.Context, mgr ctrl.Manager, options Options) error {
	r := &OperationReconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: mgr.GetEventRecorder("vworkspace-hub"), Options: options, runs: newRuns(), lanes: newLanes(options.Workers), book: &catalog.Book{},
		policies: admission.NewPolicies(mgr.GetAPIReader(), options.Clock, admission.PolicyRequester),
	}
	if err := options.Metrics.follow(ctx, mgr, r.runs, options.Reports); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("operation").
		WithOptions(controllerOptions(mgr, "operation", telemetry.KeyOperation)).
		For(&opsv1alpha1.Operation{}, builder.WithPredicates(newsOfOperation())).
		Watches(&workv1.ManifestWork{}, r.workEvents()).
		Watches(&clusterv1beta1.Placement{}, r.waitingFor(indexPlacement, func(o client.Object) string { return o.GetName() })).
		Watches(&clusterv1beta1.PlacementDecision{}, r.waitingFor(indexPlacement, func(o client.Object) string {
			return o.GetLabels()[clusterv1beta1.PlacementLabel]
		})).
		Watches(&opsv1alpha1.OperationTemplate{}, r.unstarted()).
		Watches(&opsv1alpha1.Freeze{}, r.unended()).
		Watches(&opsv1alpha1.MaintenanceWindow{}, r.unended()).
		Watches(&clusterv1.ManagedCluster{}, r.unended(), builder.WithPredicates(newsOfWindow())).
		Watches(&opsv1alpha1.Operation{}, r.ofKey()).
		Watches(&appsv1alpha1.ApplicationInstance{}, r.waitingFor(indexTarget, func(o client.Object) string { return o.GetName() })).
		Complete(r)
}

// controllerOptions of a controller whose log lines name what they are about by a key.
func controllerOptions(mgr ctrl.Manager, name, key string) controller.Options {
	log := mgr.GetLogger().WithValues("controller", name)
	return controller.Options{
		MaxConcurrentReconciles: concurrency,
		LogConstructor: func(r *ctrl.Request) logr.Logger {
			if r == nil {
				return log
			}
			return log.WithValues(key, r.String())
		},
	}
}

// newsOfOperation lets through what a pass could act on: a new spec, the fence and the end - but not every write of a status, which a
// pass made itself.
func newsOfOperation() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*opsv1alpha1.Operation)
		after, ok2 := e.ObjectNew.(*opsv1alpha1.Operation)
		return ok1 && ok2 && (before.Generation != after.Generation ||
			before.Status.Phase != after.Status.Phase ||
			before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero())
	}}
}

// newsOfWindow lets through clusters that have come to name another MaintenanceWindow.
func newsOfWindow() predicate.Predicate {
	named := func(o client.Object) [2]string {
		return [2]string{o.GetLabels()[opsv1alpha1.LabelMaintenanceWindow], o.GetAnnotations()[opsv1alpha1.LabelMaintenanceWindow]}
	}
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool { return named(e.ObjectOld) != named(e.ObjectNew) },
	}
}

// waitingFor finds the Operations that wait for what an object of the same namespace says.
func (r *OperationReconciler) waitingFor(index string, name func(client.Object) string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []ctrl.Request {
		list := &opsv1alpha1.OperationList{}
		if err := r.List(ctx, list, client.InNamespace(o.GetNamespace()), client.MatchingFields{index: name(o)}); err != nil {
			return nil // the cache has stopped: so has everything else
		}
		requests := make([]ctrl.Request, len(list.Items))
		for i := range list.Items {
			requests[i].NamespacedName = types.NamespacedName{Namespace: list.Items[i].Namespace, Name: list.Items[i].Name}
		}
		return requests
	})
}
