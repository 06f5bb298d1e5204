// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"net/http"
	"strings"
	"time"

	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/jobs"
	"vworkspace.io/fleet/hub/odoo/sinks"
	"vworkspace.io/fleet/hub/odoo/stream"
)

// concurrency is how many ControlPlanes are looked after at once. Each may wait for its control plane.
const concurrency = 4

// Options of what connects the hub with control planes.
type Options struct {
	// Namespace is the hub's own: of the Secrets, the records of jobs, and the ServiceAccounts that they are carried out as. Default DefaultHubNamespace.
	Namespace string
	// Clock tells the time; the system's when nil.
	Clock clock.Clock
	// Budget is how many bytes of letters may wait. Default stream.DefaultBudget.
	Budget int
	// Wrap the transport of what control planes are asked and told; nil not to.
	Wrap func(http.RoundTripper) http.RoundTripper
	// Stream tells control planes what happens, in place of the one that Setup makes; AuditSinks are not served then. For tests.
	Stream Stream
	// Events tells people; those of the manager when nil.
	Events events.EventRecorder
}

// Setup adds it all to a manager. It runs on the hub that leads only.
func Setup(_ context.Context, mgr ctrl.Manager, o Options) error {
	if o.Namespace == "" {
		o.Namespace = opsv1alpha1.DefaultHubNamespace
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Events == nil {
		o.Events = mgr.GetEventRecorder("vworkspace-hub")
	}
	if o.Stream == nil {
		s, err := stream.New(mgr, stream.Options{Namespace: o.Namespace, Budget: o.Budget, Clock: o.Clock})
		if err != nil {
			return err
		}
		if err := sinks.SetupAuditSinks(mgr, s, o.Namespace, o.Clock); err != nil {
			return err
		}
		o.Stream = s
	}
	return setupControlPlanes(mgr, o)
}

// Kinds that the API server must serve for it to work.
func Kinds() []client.Object {
	return []client.Object{&opsv1alpha1.ControlPlane{}, &opsv1alpha1.AuditSink{}}
}

func setupControlPlanes(mgr ctrl.Manager, o Options) error {
	j, err := jobs.Setup(mgr, jobs.Options{Namespace: o.Namespace, Clock: o.Clock, Teller: o.Stream, Events: o.Events})
	if err != nil {
		return err
	}
	r := &reconciler{
		Client: mgr.GetClient(), live: mgr.GetAPIReader(), jobs: j, Options: o,
		sessions: map[string]*session{}, fresh: map[string]*fresh{}, refused: map[string]refusal{}, added: map[string]string{},
	}
	o.Stream.BeforeLettingGo(j.LetGo)
	o.Stream.OnChange(func(name string) {
		if controlPlane, ours := strings.CutPrefix(name, sinkName("")); ours {
			r.ask(controlPlane)
		}
	})
	if err := mgr.Add(manager.RunnableFunc(r.endAll)); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("controlplane").
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrency,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, 5*time.Minute),
		}).
		For(&opsv1alpha1.ControlPlane{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesRawSource(source.Func(r.begun)).
		Complete(r)
}
