// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// rest lets everything get well, and waits until there is nothing to do.
func (w *world) rest() {
	w.full, w.crashIn = false, -1
	for i := range w.modes {
		w.modes[i] = 0
		w.stream.Pause(w.sinks[i].name, false)
	}
	w.store.fails = func(string) error { return nil }
	for range 400 {
		if w.idle() {
			return
		}
		w.clock.Step(time.Second)
		for _, o := range w.stream.all() {
			o.step(context.Background())
		}
		w.stream.settleStep(context.Background())
		for _, o := range w.stream.all() { // as an informer would tell
			for k := range o.cursors {
				if op := w.store.operations[k]; op == nil {
					o.forget(k, nil)
				} else if !running(op) {
					o.newsOf(k, view{Operation: op})
				}
			}
		}
	}
}

// idle tells whether all is told, and all let go that can be.
func (w *world) idle() bool {
	return len(w.left()) == 0 && len(w.stream.waiting) == 0 && len(w.stream.fresh) == 0
}

// left is what is not as it is when all is told.
func (w *world) left() (all []string) {
	for k, op := range w.store.operations {
		if v := (view{Operation: op}); v.held() && (op.Status.Phase.Terminal() || v.leaves()) {
			all = append(all, fmt.Sprintf("%s is held: %s, deleted %v", k, op.Status.Phase, op.DeletionTimestamp))
		}
	}
	for _, o := range w.stream.all() {
		all = append(all, w.leftOf(o)...)
	}
	if n := len(w.store.stored); n > 0 {
		all = append(all, fmt.Sprintf("%d letters", n))
	}
	if w.stream.box.total != 0 {
		all = append(all, fmt.Sprintf("the outbox counts %d bytes", w.stream.box.total))
	}
	return all
}

func (w *world) leftOf(o *outlet) (all []string) {
	if s := o.now(); s.Waiting > 0 || s.Dropped > 0 || s.Full || !s.Resynced || len(o.later) > 0 {
		all = append(all, fmt.Sprintf("%s is left as %+v", o.sink.Name(), s))
	}
	for k := range o.cursors {
		if op := w.store.operations[k]; op == nil || op.Status.Phase.Terminal() {
			all = append(all, fmt.Sprintf("%s keeps a cursor of %s, which has ended and was told", o.sink.Name(), k))
		}
	}
	return all
}

func (w *world) check(seed uint64) {
	for _, sink := range w.sinks {
		for _, wrong := range sink.wrong {
			w.t.Errorf("seed %d: %s: %s", seed, sink.name, wrong)
		}
		for key, e := range w.must {
			if _, told := sink.keys[key]; sink.wants(&e) && !told {
				w.t.Errorf("seed %d: %s was not told %s", seed, sink.name, key)
			}
		}
	}
	for _, left := range w.left() {
		w.t.Errorf("seed %d: at the end %s", seed, left)
	}
}

// Whatever happens to the hub, to its API server and to those who are told, everything that ends is told to all who want it, in order, and then let go.
func TestEverythingThatEndsIsTold(t *testing.T) {
	schedules, told, letters := 1500, 0, 0
	if testing.Short() {
		schedules = 300
	}
	for seed := range uint64(schedules) {
		w := newWorld(t, seed)
		for range 250 {
			w.act()
			letters = max(letters, len(w.store.stored))
		}
		w.rest()
		w.check(seed)
		for _, sink := range w.sinks {
			told += len(sink.keys)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d schedules, %d events told, at most %d letters at once", schedules, told, letters)
}
