// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
)

// Stream tells sinks what happens. Make one with New.
type Stream struct {
	store  store
	clock  clock.Clock
	budget int

	mu      sync.Mutex
	outlets map[string]*outlet
	stops   map[string]func()
	begin   func(*outlet) (stop func()) // nil while the stream does not run
	fresh   map[key]struct{}            // Operations that something may be done about
	waiting map[key]time.Time           // those that are looked at again
	missing map[string]time.Time        // since when sinks are known that were not added
	box     outbox
	untidy  bool
	heard   []func(name string)
	before  func(context.Context, *opsv1alpha1.Operation) error // it is let go
	wake    chan struct{}
}

func newStream(s store, c clock.Clock, budget int) *Stream {
	if budget <= 0 {
		budget = DefaultBudget
	}
	return &Stream{
		store: s, clock: c, budget: budget, outlets: map[string]*outlet{}, stops: map[string]func(){}, fresh: map[key]struct{}{}, waiting: map[key]time.Time{},
		before:  func(context.Context, *opsv1alpha1.Operation) error { return nil },
		missing: map[string]time.Time{}, untidy: true, wake: make(chan struct{}, 1),
		box: outbox{bytes: map[string]int{}, sent: map[types.UID][]string{}},
	}
}

// Add a sink, or another one in the place of that of the same name: to that it is delivered from now on, and what the old one took it is not told again. A sink
// that is suspended is added too, and paused.
func (s *Stream) Add(ctx context.Context, sink Sink, paused bool) error {
	s.mu.Lock()
	name := sink.Name()
	old, stop := s.outlets[name], s.stops[name]
	delete(s.stops, name)
	s.mu.Unlock()
	if stop != nil {
		stop() // no two deliver to one
	}
	o := newOutlet(sink, s.store, s.clock)
	if old != nil {
		o.takeOver(old)
	}
	o.paused = paused
	o.told = func(k key) { s.look(k) }
	o.changed = func() { go s.tell(name) }
	o.burnt = s.burnt
	s.mu.Lock()
	s.outlets[name] = o
	delete(s.missing, name)
	if s.begin != nil {
		s.stops[name] = s.begin(o)
	}
	s.mu.Unlock()
	return s.lookAtAll(ctx, o)
}

// Pause delivers nothing to a sink, or goes on. What is deleted meanwhile is put into letters.
func (s *Stream) Pause(name string, on bool) {
	if o := s.outletOf(name); o != nil {
		o.pause(on)
	}
}

// Remove a sink. It is not waited for any more once it is not expected either.
func (s *Stream) Remove(ctx context.Context, name string) error {
	s.mu.Lock()
	stop := s.stops[name]
	delete(s.outlets, name)
	delete(s.stops, name)
	s.untidy = true
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	return s.lookAtAll(ctx, nil)
}

// State of a sink; false when there is none of that name.
func (s *Stream) State(name string) (State, bool) {
	o := s.outletOf(name)
	if o == nil {
		return State{}, false
	}
	return o.now(), true
}

// Resynced tells whether a sink knows how everything stands, so that it may ask for more.
func (s *Stream) Resynced(name string) bool {
	state, _ := s.State(name)
	return state.Resynced
}

// BeforeLettingGo has a function called for every Operation before it is let go. It is not while that fails. It is for the time before the stream runs.
func (s *Stream) BeforeLettingGo(f func(context.Context, *opsv1alpha1.Operation) error) { s.before = f }

// OnChange has a function called whenever the state of a sink changes, with its name. It is for the time before the stream runs.
func (s *Stream) OnChange(f func(name string)) { s.heard = append(s.heard, f) }

func (s *Stream) tell(name string) {
	for _, f := range s.heard {
		f(name)
	}
}

// Post tells all sinks that want them of events that no object holds. They are written down before it returns: they are told, whatever happens to the hub. To post the same
// under the same id again does no harm. It fails with ErrFull when there is no room.
func (s *Stream) Post(ctx context.Context, id string, events []event) error {
	var errs []error
	for _, o := range s.all() {
		var wanted []event
		for i := range events {
			if o.sink.Wants(&events[i]) {
				wanted = append(wanted, events[i])
			}
		}
		name := o.sink.Name()
		if err := s.send(ctx, name, "post/"+id, wanted); err != nil {
			errs = append(errs, fmt.Errorf("for %s: %w", name, err))
			continue
		}
		o.post()
	}
	return errors.Join(errs...)
}

// look at an Operation: something may be done about it.
func (s *Stream) look(k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh[k] = struct{}{}
	s.poke()
}

func (s *Stream) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// lookAtAll there is: what is expected of whom has changed. A new outlet has news of all.
func (s *Stream) lookAtAll(ctx context.Context, o *outlet) error {
	keys, err := s.store.all(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.kind == kindOperation {
			s.look(k)
		}
		if o != nil {
			o.news(k)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poke()
	return nil
}

func (s *Stream) outletOf(name string) *outlet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outlets[name]
}

// all outlets, by name.
func (s *Stream) all() []*outlet {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*outlet, 0, len(s.outlets))
	for _, o := range s.outlets {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *outlet) int { return strings.Compare(a.sink.Name(), b.sink.Name()) })
	return all
}

// news of an Operation. Of one that ended, and of which all was told, there is none.
func (s *Stream) newsOf(op *opsv1alpha1.Operation) {
	if !hub.RunsOnHub(op) {
		return
	}
	k := operationKey(op)
	v := view{Operation: op}
	if ends := op.Status.Phase.Terminal() || v.leaves(); v.held() == ends {
		s.look(k)
	}
	for _, o := range s.all() {
		o.newsOf(k, v)
	}
}

// gone is an object; last is what there is to tell of that, if anything.
func (s *Stream) gone(k key, last *event) {
	for _, o := range s.all() {
		o.forget(k, last)
	}
}
