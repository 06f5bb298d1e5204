// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"fmt"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// Options of the stream. The zero value of a field means its default.
type Options struct {
	// Namespace is the hub's own: letters are there. Default opsv1alpha1.DefaultHubNamespace.
	Namespace string
	// Budget is how many bytes of letters there may be. Default DefaultBudget.
	Budget int
	// Clock tells the time. Default the system's.
	Clock clock.Clock
}

// New adds a stream to a manager. It runs while the manager leads.
func New(mgr ctrl.Manager, options Options) (*Stream, error) {
	if options.Namespace == "" {
		options.Namespace = opsv1alpha1.DefaultHubNamespace
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	s := newStream(&kube{Client: mgr.GetClient(), live: mgr.GetAPIReader(), namespace: options.Namespace}, options.Clock, options.Budget)
	if err := mgr.Add(&runner{Stream: s, cache: mgr.GetCache()}); err != nil {
		return nil, fmt.Errorf("add the stream: %w", err)
	}
	return s, nil
}

// runner runs a stream with the news of a cache.
type runner struct {
	*Stream
	cache cache.Cache
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: two that tell, or let go of Operations, would not know of each other.
func (r *runner) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable.
func (r *runner) Start(ctx context.Context) error {
	for object, handler := range map[client.Object]toolscache.ResourceEventHandlerFuncs{
		&opsv1alpha1.Operation{}:            handlerOf(r.newsOf, r.goneOperation),
		&appsv1alpha1.ApplicationInstance{}: handlerOf(r.newsOfInstance, r.goneInstance),
	} {
		informer, err := r.cache.GetInformer(ctx, object)
		if err != nil {
			return fmt.Errorf("follow %T: %w", object, err)
		}
		registration, err := informer.AddEventHandler(handler)
		if err != nil {
			return fmt.Errorf("follow %T: %w", object, err)
		}
		defer func() { _ = informer.RemoveEventHandler(registration) }()
	}
	r.run(ctx)
	return nil
}

// run until ctx ends, and everything that was begun with it.
func (s *Stream) run(ctx context.Context) {
	var all sync.WaitGroup
	s.mu.Lock()
	s.begin = func(o *outlet) func() {
		own, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		all.Go(func() {
			defer close(ended)
			o.run(own, s.timer)
		})
		return func() { cancel(); <-ended }
	}
	for name, o := range s.outlets {
		s.stops[name] = s.begin(o)
	}
	s.mu.Unlock()
	for ctx.Err() == nil {
		var again <-chan time.Time
		if wait := s.settleStep(ctx); wait > 0 {
			again = s.timer(wait)
		}
		select {
		case <-ctx.Done():
		case <-again:
		case <-s.wake:
		}
	}
	s.mu.Lock()
	s.begin = nil
	s.mu.Unlock()
	all.Wait()
}

func (s *Stream) timer(d time.Duration) <-chan time.Time { return s.clock.After(d) }

func (s *Stream) goneOperation(op *opsv1alpha1.Operation) { s.gone(operationKey(op), nil) }

func (s *Stream) newsOfInstance(ai *appsv1alpha1.ApplicationInstance) {
	if clusterOf(ai) == "" {
		return
	}
	for _, o := range s.all() {
		o.news(instanceKey(ai))
	}
}

func (s *Stream) goneInstance(ai *appsv1alpha1.ApplicationInstance) {
	if clusterOf(ai) == "" {
		return
	}
	e := instanceEvent(ai, "deleted/"+path(instanceRef(ai)))
	e.Kind, e.Timestamp = wire.EventDeleted, s.clock.Now().UTC()
	if ai.DeletionTimestamp != nil {
		e.Timestamp = ai.DeletionTimestamp.UTC()
	}
	s.gone(instanceKey(ai), &e)
}

// handlerOf news of one type.
func handlerOf[T client.Object](news, gone func(T)) toolscache.ResourceEventHandlerFuncs {
	tell := func(o any) {
		if object, ok := o.(T); ok {
			news(object)
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: tell, UpdateFunc: func(_, o any) { tell(o) },
		DeleteFunc: func(o any) {
			if missed, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = missed.Obj
			}
			if object, ok := o.(T); ok {
				gone(object)
			}
		},
	}
}
