// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// defaultJobTimeout is how long a job waits for what it made, unless the spec says otherwise.
const defaultJobTimeout = 24 * time.Hour

// errNoSession: the control plane is not spoken to.
var errNoSession = errors.New("there is no session with the control plane: see the conditions of the ControlPlane")

// refusal of a registration token, which is not tried again. Why is said in every pass: the status that said it first may not have been stored.
type refusal struct {
	tried string // the token's digest, with the generation that it was tried for
	why   *problem
}

// begun takes the queue over when the controller starts.
func (r *reconciler) begun(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = queue
	return nil
}

// ask for a pass over a ControlPlane.
func (r *reconciler) ask(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queue != nil {
		r.queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: name}})
	}
}

func (r *reconciler) session(name string) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sessions[name]
}

// put a session; false when nothing is to begin any more.
func (r *reconciler) put(name string, s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	r.sessions[name] = s
	return true
}

// endAll sessions when the hub does not lead any more.
func (r *reconciler) endAll(ctx context.Context) error {
	<-ctx.Done()
	r.mu.Lock()
	r.ended = true
	names := slices.Collect(maps.Keys(r.sessions))
	r.mu.Unlock()
	for _, name := range names {
		r.end(name)
	}
	return nil
}

// addSink of a ControlPlane, once for each of what it wants. It speaks by the session that there is when something is to be delivered.
func (p *pass) addSink(ctx context.Context) error {
	name, cluster := p.cp.Name, p.cp.Spec.ManagedCluster
	p.mu.Lock()
	before, known := p.added[name]
	p.mu.Unlock()
	if known && before == cluster {
		p.Stream.Pause(sinkName(name), p.cp.Spec.Suspend)
		return nil
	}
	err := p.Stream.Add(ctx, &sink{controlPlane: name, managedCluster: cluster, events: func(ctx context.Context, events []wire.Event) error {
		s := p.session(name)
		if s == nil {
			return errNoSession
		}
		return s.link.events(ctx, events)
	}}, p.cp.Spec.Suspend)
	if err != nil {
		return fmt.Errorf("add the ControlPlane to those that are told: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.added[name] = cluster
	return nil
}

func (r *reconciler) removeSink(ctx context.Context, name string) error {
	if err := r.Stream.Remove(ctx, sinkName(name)); err != nil {
		return fmt.Errorf("remove the ControlPlane from those that are told: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.added, name)
	delete(r.fresh, name)
	delete(r.refused, name)
	return nil
}

// end the session of a ControlPlane, if there is one.
func (r *reconciler) end(name string) {
	r.mu.Lock()
	s := r.sessions[name]
	delete(r.sessions, name)
	r.mu.Unlock()
	if s == nil {
		return
	}
	r.jobs.Close(name)
	s.stop()
	<-s.done
	s.link.close()
}

// unkept are credentials that could not be stored yet.
func (r *reconciler) unkept(name string) *fresh {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fresh[name]
}

func (r *reconciler) remember(name string, f *fresh) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f == nil {
		delete(r.fresh, name)
		return
	}
	r.fresh[name] = f
}

// refusal of a registration token that was tried, nil when there was none.
func (r *reconciler) refusal(name, tried string) *problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last := r.refused[name]; last.tried == tried {
		return last.why
	}
	return nil
}

func (r *reconciler) setRefused(name, tried string, why *problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused[name] = refusal{tried, why}
}
