// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
	"vworkspace.io/fleet/placement"
)

// world is one schedule: Operations that live and go, sinks that take what they are told or do not, and a stream that is stopped at any call that it makes.
type world struct {
	t       *testing.T
	r       *rand.Rand
	clock   *clocktesting.FakeClock
	store   *fakeStore
	sinks   []*fakeSink
	modes   []int // of the sinks: see answer
	stream  *Stream
	budget  int
	crashIn int // calls of the store until the stream is cut off from it; negative for never
	cut     bool
	full    bool // of disk: no letter can be written
	// must was to be told: what ended, by the key of its event, and whether it is of an Operation without a finalizer, which somebody may take away.
	must  map[string]wire.Event
	made  int
	clean map[types.UID]bool // Operations whose history has lost nothing
}

var errCut = errors.New("the hub was killed (in a test)")

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, r: rand.New(rand.NewPCG(seed, 8)), clock: clocktesting.NewFakeClock(time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)), crashIn: -1,
		must: map[string]wire.Event{}, clean: map[types.UID]bool{},
	}
	w.budget = []int{DefaultBudget, 4 << 10, 700}[w.r.IntN(3)]
	w.store = newFakeStore(w.clock.Now)
	w.store.fails = w.call
	for i := range 1 + w.r.IntN(3) {
		sink := newFakeSink(fmt.Sprintf("auditsink/%d", i))
		sink.tight = w.budget != DefaultBudget
		if i == 2 {
			sink.wants = func(e *wire.Event) bool { return e.Cluster == "" || e.Cluster < "c3" }
		}
		sink.answer = func() (took bool, err error) { return w.answer(i) }
		w.sinks, w.modes = append(w.sinks, sink), append(w.modes, 0)
		w.store.names = append(w.store.names, sink.name)
	}
	w.start()
	return w
}

// call of the store.
func (w *world) call(name string) error {
	if w.crashIn == 0 {
		w.cut = true
	}
	w.crashIn--
	switch {
	case w.cut:
		return errCut
	case w.full && name == "write":
		return errStore
	case w.r.IntN(60) == 0:
		return errStore
	default:
		return nil
	}
}

type retryAfter struct{ error }

func (retryAfter) RetryAfter() time.Duration { return 7 * time.Second }

// answer of a sink by its mode: 0 takes, 1 refuses, 2 takes and the reply is lost, 3 asks to be left alone, 4 is one of these at random.
func (w *world) answer(i int) (took bool, err error) {
	if w.cut {
		return w.r.IntN(2) == 0, errCut
	}
	mode := w.modes[i]
	if mode == 4 {
		mode = w.r.IntN(4)
	}
	switch mode {
	case 1:
		return false, errors.New("refused")
	case 2:
		return true, errors.New("reply lost")
	case 3:
		return false, retryAfter{errors.New("too many requests")}
	default:
		return true, nil
	}
}

// start a stream that knows nothing of the one before.
func (w *world) start() {
	w.cut, w.crashIn = false, -1
	w.stream = newStream(w.store, w.clock, w.budget)
	for _, i := range w.r.Perm(len(w.sinks)) {
		for w.stream.Add(context.Background(), w.sinks[i], false) != nil {
			_ = w.stream.Remove(context.Background(), w.sinks[i].name)
		}
	}
	for _, op := range w.store.operations {
		w.stream.newsOf(op.DeepCopy())
	}
}

// work lets the stream do something.
func (w *world) work() {
	outlets := w.stream.all()
	if i := w.r.IntN(len(outlets) + 1); i < len(outlets) {
		outlets[i].step(context.Background())
	} else {
		w.stream.settleStep(context.Background())
	}
}

// operation at random that is there.
func (w *world) operation(such func(*opsv1alpha1.Operation) bool) *opsv1alpha1.Operation {
	keys, _ := (&fakeStore{operations: w.store.operations, fails: func(string) error { return nil }}).all(context.Background())
	w.r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, k := range keys {
		if op := w.store.operations[k]; such(op) {
			return op
		}
	}
	return nil
}

func (w *world) changed(op *opsv1alpha1.Operation) {
	w.store.touch(op)
	if w.store.operations[operationKey(op)] == nil {
		w.stream.gone(operationKey(op), nil)
		return
	}
	w.stream.newsOf(op.DeepCopy())
}

func (w *world) create() {
	w.made++
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team", Name: fmt.Sprintf("op-%d", w.made%5), UID: types.UID(fmt.Sprintf("uid-%d", w.made)), CreationTimestamp: metav1.NewTime(w.clock.Now()),
		Finalizers: []string{opsv1alpha1.ReportFinalizer, opsv1alpha1.OperationFinalizer},
	}}
	op.Spec.Type, op.Spec.Placement = opsv1alpha1.TypeBackup, &opsv1alpha1.PlacementSpec{}
	if w.store.operations[operationKey(op)] != nil {
		return // the one of that name has to go first
	}
	w.clean[op.UID] = true
	op.Transition(w.clock.Now()).Accept("it makes sense")
	w.store.operations[operationKey(op)] = op
	clusters := int32(1 + w.r.IntN(12))
	op.Status.Plan = &opsv1alpha1.PlanStatus{Clusters: clusters}
	op.Status.Summary = &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: clusters, Pending: clusters}}
	w.store.chunks[op.UID] = make([][]placement.ClusterResult, 1)
	w.changed(op)
}

func running(op *opsv1alpha1.Operation) bool {
	return !op.Status.Phase.Terminal() && !view{Operation: op}.leaves()
}

// move an Operation on, many times in a row at times.
func (w *world) move() {
	op := w.operation(running)
	if op == nil {
		return
	}
	n := 1
	if w.r.IntN(12) == 0 {
		n = 40
	}
	for range n {
		t := op.Transition(w.clock.Now())
		switch reason := fmt.Sprintf("Reason%d", w.r.IntN(50)); w.r.IntN(5) {
		case 0:
			t.Block(reason, "something is in the way")
		case 1:
			t.Await(reason, opsv1alpha1.ReasonRollingOut, "it waits")
		case 2:
			t.Degrade(reason, "not entirely well")
		default:
			t.Run(reason, "it goes on")
		}
	}
	if op.Status.Transitions > opsv1alpha1.MaxHistory {
		w.clean[op.UID] = false
	}
	w.changed(op)
}

// finish some clusters of an Operation, or all and it.
func (w *world) finish(all bool) {
	op := w.operation(running)
	if op == nil {
		return
	}
	w.finishOne(op, all)
	w.changed(op)
}

func (w *world) finishOne(op *opsv1alpha1.Operation, all bool) {
	c := op.Status.Summary.Clusters
	for c.Pending > 0 && (all || w.r.IntN(3) > 0) {
		results := &w.store.chunks[op.UID][0]
		r := placement.ClusterResult{
			Cluster: fmt.Sprintf("c%d", len(*results)), State: placement.Succeeded, FinishedAt: placement.At(w.clock.Now()), Message: strings.Repeat("m", w.r.IntN(200)),
		}
		at := w.r.IntN(len(*results) + 1) // in the order of the plan, which is not that of the ends
		*results = slices.Insert(*results, at, r)
		c.Pending--
		c.Succeeded++
		e := view{Operation: op}.result(r, 0)
		w.must[e.EventKey] = e
	}
	if !all {
		return
	}
	op.Transition(w.clock.Now()).Succeed(opsv1alpha1.ReasonAllSucceeded, "all is well")
	if op.Status.Transitions > opsv1alpha1.MaxHistory {
		w.clean[op.UID] = false
	}
	for i, t := range op.Status.History {
		number := op.Status.Transitions - int64(len(op.Status.History)) + int64(i) + 1
		if t.Phase.Terminal() || w.clean[op.UID] && w.budget == DefaultBudget {
			e := view{Operation: op}.transition(t, number)
			w.must[e.EventKey] = e
		}
	}
	if w.r.IntN(2) == 0 {
		op.Finalizers = slices.DeleteFunc(op.Finalizers, func(f string) bool { return f == opsv1alpha1.OperationFinalizer })
	}
}

// remove an Operation as the hub does: what runs is ended first, or given up.
func (w *world) remove(op *opsv1alpha1.Operation) {
	if op == nil {
		return
	}
	if op.DeletionTimestamp == nil {
		op.DeletionTimestamp = &metav1.Time{Time: w.clock.Now()}
	}
	if w.r.IntN(2) == 0 {
		if running(op) && w.r.IntN(2) == 0 {
			w.finishOne(op, true)
		}
		op.Finalizers = slices.DeleteFunc(op.Finalizers, func(f string) bool { return f == opsv1alpha1.OperationFinalizer })
	}
	w.changed(op)
}

// replace a sink at times, as when its Secret has changed.
func (w *world) replace() {
	if w.r.IntN(4) > 0 {
		return
	}
	sink := w.sinks[w.r.IntN(len(w.sinks))]
	for w.stream.Add(context.Background(), sink, false) != nil && !w.cut {
		w.clock.Step(time.Millisecond)
	}
}

func (w *world) act() {
	switch w.r.IntN(24) {
	case 0, 1:
		w.create()
	case 2, 3, 4:
		w.move()
	case 5, 6:
		w.finish(false)
	case 7, 8:
		w.finish(true)
	case 9:
		w.remove(w.operation(func(*opsv1alpha1.Operation) bool { return true }))
	case 10:
		w.clock.Step(time.Duration(1+w.r.IntN(40)) * time.Second)
	case 11:
		w.modes[w.r.IntN(len(w.modes))] = w.r.IntN(5)
	case 12:
		if w.r.IntN(3) == 0 {
			w.full = !w.full
		}
	case 13:
		if w.crashIn < 0 {
			w.crashIn = w.r.IntN(12)
		}
	case 14:
		w.stream.Pause(w.sinks[w.r.IntN(len(w.sinks))].name, w.r.IntN(3) == 0)
	case 15:
		w.replace()
	default:
		w.clock.Step(300 * time.Millisecond)
		w.work()
	}
	if w.cut {
		w.start()
	}
}
