// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"vworkspace.io/fleet/e2e/controlplane"
)

const (
	// patience bounds every wait, unless a test says otherwise. It is longer than any of the intervals at which a component looks again by itself.
	patience = 90 * time.Second
	// quiet is for how long nobody may have written before a world counts as at rest.
	quiet = 600 * time.Millisecond
)

// Faults are what is done to a world.
type Faults struct {
	// Rules of the wires of a component, by its name, for its first, second, ... run; nil for none.
	Rules map[string]func(run int) Rule
	// Meanwhile does harm while the story is told; nil for none. It ends with ctx.
	Meanwhile func(ctx context.Context, w *World) error
	// Clock that the components live by; the real one when nil.
	Clock clock.Clock
	// Random is for what happens at odd moments; nil for nothing that does.
	Random *rand.Rand
	// Patience bounds every wait; 90 s when 0.
	Patience time.Duration
	// Stay is for how long it is watched that a world at rest stays so.
	Stay time.Duration
}

// Report is what has become of a world.
type Report struct {
	// End is what there was in the end; see Snapshot.
	End string
	// Writes that API servers have accepted, by component.
	Writes map[string][]Call
	// Made is how many objects were ever created, by API server and kind.
	Made map[string]int
	// BornLate are the kinds, as in Made, of which a component that had been deposed made an object when its successor had had time for everything.
	BornLate []string
	// Unseen says that what was made was not all seen: an API server was away, and what came and went meanwhile nobody has seen.
	Unseen bool
	// Failed is how many calls of the components had no answer, or one that says that there is trouble.
	Failed int
	// Broken are the laws that were broken.
	Broken []string
}

// World is a story that is being told in a lab.
type World struct {
	*Lab
	Clock  clock.Clock
	Random *rand.Rand
	// Odoo that the hub takes jobs from, a fake; nil in a story without one.
	Odoo   *controlplane.Fake
	mirror *Mirror
	story  Story
	ctx    context.Context
	play   *players

	witness *Witness

	patience time.Duration

	mu     sync.Mutex
	writes map[string][]Call
	wires  map[string]*Wire
	up     map[string]*Wire // those of components that have seen all that there is
	failed atomic.Int64
	unseen atomic.Bool
	late   []string  // the kinds of what was born late
	last   time.Time // when a component has last written, or come up
	log    strings.Builder
}

// Tell tells a story while faults happen, waits until the world is at rest, and says what has become of it. An error says that the story did not
// come out; what else went wrong is in the report. same, when not empty, is the End that another telling had: the world has time to reach it.
func (l *Lab) Tell(ctx context.Context, s Story, f Faults, same string) (Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.Patience == 0 {
		f.Patience = patience
	}
	if f.Clock == nil {
		f.Clock = clock.RealClock{}
	}
	if err := l.clear(ctx); err != nil {
		return Report{}, fmt.Errorf("clear the lab: %w", err)
	}
	mirror, err := newMirror(ctx, l)
	if err != nil {
		return Report{}, err
	}
	w := &World{Lab: l, Clock: f.Clock, Random: f.Random, patience: f.Patience, mirror: mirror, story: s, ctx: ctx, writes: map[string][]Call{}, wires: map[string]*Wire{}, up: map[string]*Wire{}, last: time.Now()}
	if s.Odoo {
		w.Odoo = controlplane.Start(controlplane.Options{ClusterID: odooCluster})
		defer w.Odoo.Close()
	}
	w.play = newPlayers(w)
	w.witness = newWitness()
	defer mirror.listen(w.witness.see)()

	running, ctx := errgroup.WithContext(ctx)
	w.ctx = ctx
	told := errors.New("the story is told")
	running.Go(func() error { //nolint:contextcheck // a World carries the context of its telling: everything in it ends with that
		if err := w.live(f, running); err != nil {
			return err
		}
		if err := w.rest(same); err != nil {
			return err
		}
		if err := w.stay(f.Stay); err != nil {
			return err
		}
		return told
	})
	err = running.Wait()
	if errors.Is(err, told) {
		err = nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := Report{End: w.snapshot(), Writes: w.writes, Made: w.witness.made(), Broken: w.witness.broken(w.late), BornLate: w.late, Unseen: w.unseen.Load(), Failed: int(w.failed.Load())}
	if !r.Unseen {
		r.Broken = append(r.Broken, w.witness.gaps()...)
	}
	if w.Odoo != nil {
		r.Broken = append(r.Broken, w.Odoo.Violations()...)
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, w.log.String())
	}
	return r, err
}

// live prepares the story, starts everything, and tells it.
func (w *World) live(f Faults, running *errgroup.Group) error {
	if w.story.Before != nil {
		if err := w.story.Before(w); err != nil {
			return fmt.Errorf("before the story: %w", err)
		}
	}
	w.play.start(running)
	for _, c := range Components {
		running.Go(func() error { return w.keep(c, f.Rules[c.Name]) })
	}
	if f.Meanwhile != nil {
		running.Go(func() error { return f.Meanwhile(w.ctx, w) })
	}
	return w.story.Tell(w)
}

// keep a component running: when its wire is cut, a fresh one starts.
func (w *World) keep(c Component, rules func(run int) Rule) error {
	var runs errgroup.Group
	var failed error
	for run := 1; w.ctx.Err() == nil && failed == nil; run++ {
		var rule Rule
		if rules != nil {
			rule = rules(run)
		}
		wire := newWire(rule, ears{
			wrote:   func(call Call) { w.wrote(c.Name, call) },
			late:    func(call Call) { w.bornLate(c.On, call) },
			unheard: func() { w.Odoo.AnswersLost() },
			failed:  func(Call) { w.failed.Add(1) },
		}, w.play.app.answer)
		if w.Odoo != nil && c.Name == Hub.Name && run > 1 {
			w.Odoo.ClientKilled()
		}
		ended := make(chan error, 1)
		runs.Go(func() error {
			err := w.once(c, wire)
			ended <- err
			return err
		})
		select {
		case failed = <-ended:
		case <-wire.usurped: // and goes on
		}
	}
	return runs.Wait()
}

// once runs a component until its wire is cut or the world ends.
func (w *World) once(c Component, wire *Wire) error {
	defer wire.Cut()
	w.mu.Lock()
	w.wires[c.Name] = wire
	w.mu.Unlock()
	api := rest.CopyConfig(c.api(w.Lab))
	api.Wrap(wire.Wrap)
	ctx, kill := context.WithCancel(w.ctx)
	defer kill()
	defer context.AfterFunc(wire.alive, kill)()
	err := c.run(ctx, w, api, wire, w.logger(c.Name), func() { w.isUp(c, wire) })
	if wire.alive.Err() != nil || w.ctx.Err() != nil {
		w.stir()
		return nil // killed, or over: however it took it
	}
	w.mu.Lock()
	up := w.up[c.Name] == wire
	w.mu.Unlock()
	if !up && err != nil && isOutage(err) {
		w.note(fmt.Sprintf("the %s could not start, and is started again: %v", c.Name, err))
		return nil // as a kubelet does
	}
	return fmt.Errorf("the %s has stopped by itself: %w", c.Name, err)
}

// Kill a component that runs; a fresh one starts.
func (w *World) Kill(c Component) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if wire := w.wires[c.Name]; wire != nil {
		wire.Cut()
	}
}

// KillUp kills a component as soon as it is up. One that is killed while it comes up leaves goroutines behind, see start, and would look like a leak.
func (w *World) KillUp(c Component) error {
	return w.await("the "+c.Name+" to be up", func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		wire := w.wires[c.Name]
		if wire == nil || w.up[c.Name] != wire {
			return "it is not"
		}
		wire.Cut()
		delete(w.up, c.Name)
		return ""
	})
}

// isUp takes note that a component has seen all that there is.
func (w *World) isUp(c Component, wire *Wire) {
	w.stir()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up[c.Name] = wire
}

func (w *World) wrote(component string, c Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes[component] = append(w.writes[component], c)
	w.last = time.Now()
}

func (w *World) bornLate(api API, c Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, gvk := range kinds[api] {
		if plural, _ := meta.UnsafeGuessKindToResource(gvk); plural.Group == c.Group && plural.Resource == c.Resource {
			w.late = append(w.late, madeAs(api, gvk.Kind))
		}
	}
}

// Forget what was written, seen and logged of objects that are gone, for a story that is long.
func (w *World) Forget() {
	w.mu.Lock()
	clear(w.writes)
	w.log.Reset()
	w.mu.Unlock()
	w.witness.forget()
	w.play.unlearn()
}

// stir says that the world is not at rest.
func (w *World) stir() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
}

// rest waits until nobody has written for a while, and until the end is the same as in another telling when that is known.
func (w *World) rest(same string) error {
	return w.await("the world to come to rest", func() string {
		w.mu.Lock()
		left := time.Until(w.last.Add(quiet))
		w.mu.Unlock()
		if left > 0 {
			return "somebody still writes"
		}
		if end := w.snapshot(); same != "" && end != same {
			return "the end differs (- as it should be, + as it is):\n" + difference(same, end)
		}
		return ""
	})
}

// stay holds that a world comes to rest for a while, and does not write on for ever: nobody writes, and every status is about the spec that is there. What came
// late, because a machine had other things to do, is waited for.
func (w *World) stay(during time.Duration) error {
	if during == 0 {
		return nil
	}
	err := w.await(fmt.Sprintf("the world to be at rest for %s", during), func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		if since := time.Since(w.last); since < during {
			return fmt.Sprintf("the last write is %s ago", since.Round(time.Millisecond))
		}
		return ""
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, api := range []API{OnHub, OnSpoke} {
		for _, o := range w.mirror.all(api) {
			observed, known, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
			if known && slices.Contains(ownKinds, o.GetKind()) && observed != o.GetGeneration() {
				return fmt.Errorf("%s %s on the %s has generation %d, and its status is about %d", o.GetKind(), o.GetName(), api, o.GetGeneration(), observed)
			}
		}
	}
	return nil
}

// ownKinds are those whose status is ours.
var ownKinds = []string{"Operation", "ApplicationInstance"}

// pause waits, and tells whether everything is over.
func pause(ctx context.Context, d time.Duration) (over bool) {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(d):
		return false
	}
}

// underWay waits until a component has done something for the story.
func (w *World) underWay() error {
	return w.await("the story to be under way", func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.writes) == 0 {
			return "nobody has written anything"
		}
		return ""
	})
}

// await polls until nothing is missing.
func (w *World) await(what string, missing func() string) error {
	deadline := time.NewTimer(w.patience)
	defer deadline.Stop()
	for {
		changed := w.mirror.changed()
		last := missing()
		if last == "" {
			return nil
		}
		select {
		case <-w.ctx.Done():
			return fmt.Errorf("waited for %s: %w; last seen: %s", what, context.Cause(w.ctx), last)
		case <-deadline.C:
			return fmt.Errorf("waited %s for %s; last seen: %s", w.patience, what, last)
		case <-changed:
		case <-time.After(50 * time.Millisecond):
		}
	}
}
