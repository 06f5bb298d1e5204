// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// alone is one outlet with what it needs.
type alone struct {
	*outlet
	clock *clocktesting.FakeClock
	store *fakeStore
	sink  *fakeSink
}

func newAlone() *alone {
	a := &alone{clock: clocktesting.NewFakeClock(noon), sink: newFakeSink("auditsink/a")}
	a.store = newFakeStore(a.clock.Now, a.sink.name)
	a.outlet = newOutlet(a.sink, a.store, a.clock)
	a.jitter = func() float64 { return 1 }
	return a
}

// add so many Operations that run, and have news.
func (a *alone) add(n int) {
	for i := range n {
		op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: fmt.Sprintf("op-%d", i), UID: types.UID(fmt.Sprint(i)), Finalizers: []string{opsv1alpha1.ReportFinalizer}}}
		op.Transition(noon).Accept("it makes sense")
		a.store.operations[operationKey(op)] = op
		a.newsOf(operationKey(op), view{Operation: op})
	}
}

// settle what is due at the start: nothing.
func (a *alone) begin() {
	for range 3 {
		a.step(context.Background())
	}
}

func TestBatchesAreFullOrASecondOld(t *testing.T) {
	a := newAlone()
	a.begin()
	a.add(1)
	if wait := a.step(context.Background()); wait != gatherFor || len(a.sink.batches) != 0 {
		t.Fatalf("waits %s with %d batches, want a second and none", wait, len(a.sink.batches))
	}
	a.clock.Step(gatherFor)
	a.step(context.Background())
	a.add(MaxBatch + 2) // the first of them has nothing new to tell
	a.step(context.Background())
	a.step(context.Background())
	sizes := []int{}
	for _, b := range a.sink.batches {
		sizes = append(sizes, len(b))
	}
	if fmt.Sprint(sizes) != "[1 100 1]" {
		t.Fatalf("batches of %v, want 1, and 101 at once in two", sizes)
	}
}

type asks struct {
	error
	after time.Duration
}

func (a asks) RetryAfter() time.Duration { return a.after }

func TestBackoff(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want []time.Duration
	}{
		"an error":             {errors.New("away"), []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 60 * time.Second, 60 * time.Second}},
		"one that says when":   {fmt.Errorf("wrapped: %w", asks{errors.New("429"), 90 * time.Second}), []time.Duration{90 * time.Second, 90 * time.Second}},
		"one that says now":    {asks{errors.New("429"), 0}, []time.Duration{time.Second, 2 * time.Second}},
		"one that is too soon": {asks{errors.New("429"), time.Millisecond}, []time.Duration{time.Second, time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAlone()
			a.begin()
			a.add(1)
			a.clock.Step(gatherFor)
			a.sink.answer = func() (took bool, err error) { return false, c.err }
			for i, want := range c.want {
				wait := a.step(context.Background())
				for wait == soon || wait == gatherFor && want > gatherFor { // after half a minute, a snapshot of nothing
					if wait == gatherFor {
						a.clock.Step(wait)
					}
					wait = a.step(context.Background())
				}
				if wait != want {
					t.Fatalf("try %d: waits %s, want %s", i, wait, want)
				}
				if wait := a.step(context.Background()); wait != want {
					t.Fatalf("try %d: asks before its time", i)
				}
				a.clock.Step(c.want[i])
			}
			if s := a.now(); s.Connected || s.Err == nil {
				t.Errorf("the state is %+v", s)
			}
			a.jitter = func() float64 { return 0 }
			if wait, _ := a.backoff(errors.New("x")); wait < minBackoff {
				t.Errorf("%s is less than a second", wait)
			}
		})
	}
}

// flushing is a sink that puts things off.
type flushing struct {
	*fakeSink
	flushes int
	again   time.Duration
}

func (f *flushing) Flush(context.Context) (time.Duration, error) {
	f.flushes++
	return f.again, nil
}

func TestASinkThatPutsThingsOffIsAskedAgain(t *testing.T) {
	a := newAlone()
	f := &flushing{fakeSink: a.sink, again: 5 * time.Second}
	a.outlet = newOutlet(f, a.store, a.clock)
	a.begin()
	a.add(1)
	a.clock.Step(gatherFor)
	a.step(context.Background())
	before := f.flushes
	if wait := a.step(context.Background()); wait != 5*time.Second || f.flushes != before {
		t.Fatalf("looks again after %s, flushed %d times since", wait, f.flushes-before)
	}
	a.clock.Step(5 * time.Second)
	f.again = 0
	a.step(context.Background())
	if wait := a.step(context.Background()); wait != 0 || f.flushes != before+1 {
		t.Fatalf("looks again after %s, flushed %d times since", wait, f.flushes-before)
	}
}

func TestDroppedIsShownForAWhile(t *testing.T) {
	a := newAlone()
	a.begin()
	a.add(1)
	a.clock.Step(gatherFor)
	a.step(context.Background())
	for k, op := range a.store.operations {
		for i := range 50 {
			op.Transition(noon).Run(fmt.Sprintf("Reason%d", i), "")
		}
		a.newsOf(k, view{Operation: op})
	}
	a.clock.Step(gatherFor)
	a.step(context.Background())
	if c := a.now().Overflow(); c.Reason != opsv1alpha1.ReasonTransitionsDropped || c.Message[:3] != "18 " {
		t.Fatalf("the condition is %+v", c)
	}
	if wait := a.step(context.Background()); wait != showDropped {
		t.Fatalf("looks again after %s", wait)
	}
	a.clock.Step(showDropped)
	a.step(context.Background())
	if c := a.now().Overflow(); c.Reason != opsv1alpha1.ReasonNothingDropped {
		t.Fatalf("the condition is %+v", c)
	}
}
