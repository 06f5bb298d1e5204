// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestUrgent: an Operation on one cluster that comes after many on many has its work long before those have theirs. What is asserted is an order, not a time:
// creating a work takes a moment here, and two are created at once.
func TestUrgent(t *testing.T) {
	const clusters, huge = 60, 12
	f := newBareFleet(t, clusters)
	f.options.Workers = 2
	var created atomic.Int32
	f.funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if _, isWork := o.(*workv1.ManifestWork); isWork {
			created.Add(1)
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		return c.Create(ctx, o, opts...)
	}
	f.place("all", f.clusters...)
	f.place("one", f.clusters[0])
	f.startHub()
	for i := range huge {
		f.operation(fmt.Sprintf("huge-%d", i), "all")
	}
	urgent := f.operation("urgent", "one")
	f.awaitWorks(urgent, 1)
	if n := int(created.Load()); n > clusters*huge/2 {
		t.Errorf("%d of %d works were created before the urgent one", n, clusters*huge)
	} else {
		t.Logf("%d of %d works were created before the urgent one", n, clusters*huge)
	}
	for i := range huge {
		op := &opsv1alpha1.Operation{}
		op.Namespace, op.Name = f.ns, fmt.Sprintf("huge-%d", i)
		f.awaitWorks(f.get(op), clusters)
	}
	if n := int(created.Load()); n != clusters*huge+1 {
		t.Errorf("%d works were created, want each once", n)
	}
}

// ticking is a clock that goes on by a step whenever it is asked.
type ticking struct {
	clock.RealClock
	now  atomic.Int64
	step time.Duration
}

func (s *ticking) Now() time.Time { return time.Unix(0, s.now.Add(int64(s.step))) }

// TestInTurn: a pass ends after its turn, which is short for what has just begun, and shorter when somebody may be waiting.
func TestInTurn(t *testing.T) {
	items := make([]int, 100)
	for i := range items {
		items[i] = i
	}
	for name, tt := range map[string]struct {
		step    time.Duration
		length  time.Duration
		first   bool
		crowded bool
		least   int
		left    bool
	}{
		"time enough":                     {step: time.Microsecond, crowded: true, least: 100},
		"over in the middle":              {step: turn / 10, crowded: true, least: 10, left: true},
		"what begins has less":            {step: turn / 10, first: true, crowded: true, least: 4, left: true},
		"over at once, but for a handful": {step: time.Hour, crowded: true, least: 4, left: true},
		"longer when nobody waits":        {step: turn / 10, least: 10 * int(loneTurn/turn), left: true},
		"and as long for what begins":     {step: turn / 10, first: true, least: 10 * int(loneTurn/turn), left: true},
		"what has to be done is done":     {step: turn, length: untilDone, crowded: true, least: 100},
		"... also when it has just begun": {step: turn, length: untilDone, first: true, crowded: true, least: 100},
	} {
		t.Run(name, func(t *testing.T) {
			r := &OperationReconciler{Options: Options{Clock: &ticking{step: tt.step}}.complete(), lanes: newLanes(4)}
			if tt.crowded {
				for range concurrency {
					defer r.lanes.pass()()
				}
			}
			length := tt.length
			if length == 0 {
				length = turn
			}
			p := &pass{now: r.Clock.Now(), first: tt.first}
			var did atomic.Int32
			left, err := inTurn(t.Context(), r, p, items, length, func(context.Context, int) error {
				did.Add(1)
				return nil
			}, func(int, error) {})
			if n := int(did.Load()); err != nil || left != tt.left || n < tt.least || tt.left && n > tt.least+10 {
				t.Errorf("%d of %d, left %t, %v; want %d or a few more, left %t", n, len(items), left, err, tt.least, tt.left)
			}
			if (p.again == 1) != tt.left {
				t.Errorf("another pass after %s", p.again)
			}
		})
	}
}

// TestShare: the lanes are shared out among the passes that write, and nobody gets none.
func TestShare(t *testing.T) {
	l := newLanes(4)
	var done []func()
	for i, want := range []int{4, 2, 2, 1, 1, 1} {
		got, over := l.share()
		if got != want {
			t.Errorf("pass %d has %d lanes, want %d", i, got, want)
		}
		done = append(done, over)
	}
	for _, over := range done {
		over()
	}
	if got, _ := l.share(); got != 4 {
		t.Errorf("%d lanes when the others have ended, want 4", got)
	}
}

// TestTurnTakesItsShare: a pass asks for no more lanes at once than are left to it while another one writes.
func TestTurnTakesItsShare(t *testing.T) {
	r := &OperationReconciler{Options: Options{Clock: &ticking{step: time.Hour}}.complete(), lanes: newLanes(4)}
	for range concurrency {
		defer r.lanes.pass()()
	}
	_, other := r.lanes.share()
	defer other()
	var did atomic.Int32
	left, err := inTurn(t.Context(), r, &pass{now: r.Clock.Now()}, make([]int, 10), turn, func(context.Context, int) error {
		did.Add(1)
		return nil
	}, func(int, error) {})
	if n := did.Load(); n != 2 || !left || err != nil {
		t.Errorf("%d of 10 in a turn that is over at once, left %t, %v; want 2, half of the lanes", n, left, err)
	}
}

// TestLanes: however many passes write, no more works are written at once than there are lanes, and each error is told of its item.
func TestLanes(t *testing.T) {
	r := &OperationReconciler{Options: Options{}.complete(), lanes: newLanes(3)}
	var at, most atomic.Int32
	done := make(chan []int)
	for range 4 {
		go func() {
			var failed []int
			p := &pass{now: r.Clock.Now().Add(time.Hour)}
			_, err := inTurn(t.Context(), r, p, []int{1, 2, 3, 4, 5, 6, 7, 8}, turn, func(_ context.Context, i int) error {
				now := at.Add(1)
				defer at.Add(-1)
				for {
					seen := most.Load()
					if now <= seen || most.CompareAndSwap(seen, now) {
						break
					}
				}
				if i%4 == 0 {
					return errors.New("no")
				}
				return nil
			}, func(i int, _ error) { failed = append(failed, i) })
			if err != nil {
				t.Error(err)
			}
			slices.Sort(failed)
			done <- failed
		}()
	}
	for range 4 {
		if failed := <-done; !slices.Equal(failed, []int{4, 8}) {
			t.Errorf("failed: %v", failed)
		}
	}
	if n := most.Load(); n > 3 {
		t.Errorf("%d at once, want 3 at most", n)
	}
}

// TestResult: a run that has begun steps back behind what is new.
func TestResult(t *testing.T) {
	if got := (&pass{again: time.Second}).result(); got.Priority != nil || got.RequeueAfter != time.Second {
		t.Errorf("before it has begun: %+v", got)
	}
	if got := (&pass{run: &run{}}).result(); ptr.Deref(got.Priority, 0) != ongoing {
		t.Errorf("that has begun: %+v", got)
	}
}
