// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"k8s.io/client-go/util/workqueue"
)

// Operations share the hub, and a small urgent one must not wait until a huge one is through. So
//
//	a pass ends after a turn, and goes on where it was when its time comes again
//	the turn is short while others may be waiting for theirs
//	what goes on has less priority than what is new, or what somebody has changed
//	all passes together write Options.Workers works at once, and each its share of them
const (
	// firstTurn is how long an Operation is dispatched in the pass that began it, when others may be waiting: enough for a small one, and soon over when many
	// begin at once.
	firstTurn = 50 * time.Millisecond
	// turn of any later pass when others may be waiting.
	turn = 500 * time.Millisecond
	// loneTurn is that of a pass that nobody waits for: then the status is due.
	loneTurn = time.Second
	// sweepTurn is that of passes which list all works of an Operation first.
	sweepTurn = 2 * time.Second
	// untilDone is no turn: for what has to be whole before the next step.
	untilDone = time.Hour
	// ongoing is the priority of a run that has begun. What is new has 0.
	ongoing = -1
)

// lanes of all works that are written.
type lanes struct {
	workers int
	free    *semaphore.Weighted
	// passes that are under way, and those of them that write works.
	passes, writing atomic.Int32
}

func newLanes(workers int) *lanes {
	return &lanes{workers: workers, free: semaphore.NewWeighted(int64(workers))}
}

// pass counts one until it is over.
func (l *lanes) pass() (over func()) {
	l.passes.Add(1)
	return func() { l.passes.Add(-1) }
}

// crowded tells whether an Operation may be waiting: nobody is free to look after it.
func (l *lanes) crowded() bool { return l.passes.Load() >= concurrency }

// share out the lanes among the passes that write works: so that none waits long for a lane which another one has asked for many times before. It is called
// when a pass begins to write, and is what that one asks for at once.
func (l *lanes) share() (lanes int, done func()) {
	n := int(l.writing.Add(1))
	return max(1, (l.workers+n-1)/n), func() { l.writing.Add(-1) }
}

// enter waits for a lane. The caller leaves it by the function that it gets.
func (l *lanes) enter(ctx context.Context) (leave func(), err error) {
	if err := l.free.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return func() { l.free.Release(1) }, nil
}

// lasts is how long a pass goes on that would write works for a turn.
func (l *lanes) lasts(p *pass, length time.Duration) time.Duration {
	switch {
	case !l.crowded():
		return max(length, loneTurn)
	case p.first && length != untilDone:
		return firstTurn
	default:
		return length
	}
}

// inTurn calls do for the items, several at once, until the turn of the pass is over, and onError, one at a time, for those that failed. When items are left
// it asks for another pass, at once, and tells so.
func inTurn[T any](ctx context.Context, r *OperationReconciler, p *pass, items []T, length time.Duration, do func(context.Context, T) error, onError func(T, error)) (left bool, err error) {
	if len(items) == 0 {
		return false, nil
	}
	at, done := r.lanes.share()
	defer done()
	err = each(ctx, items, at, func(ctx context.Context, item T) error {
		leave, err := r.lanes.enter(ctx)
		if err != nil {
			return err
		}
		defer leave()
		return do(ctx, item)
	}, onError, func() bool { return r.Clock.Now().Sub(p.now) < r.lanes.lasts(p, length) })
	if errors.Is(err, errOver) {
		p.after(1)
		return true, nil
	}
	return false, err
}

// errOver tells that items are left.
var errOver = errors.New("the turn is over")

// each calls do for every item, so many at once, and onError, one at a time, for those that failed. Only the end of ctx stops it, or goesOn, which is
// asked before every item but the first ones, unless it is nil.
func each[T any](ctx context.Context, items []T, workers int, do func(context.Context, T) error, onError func(T, error), goesOn func() bool) error {
	var g errgroup.Group
	var mu sync.Mutex
	g.SetLimit(workers)
	var stopped error
	for i, item := range items {
		if ctx.Err() != nil {
			break
		}
		if i >= workers && goesOn != nil && !goesOn() {
			stopped = errOver
			break
		}
		g.Go(func() error {
			if err := do(ctx, item); err != nil && ctx.Err() == nil {
				mu.Lock()
				defer mu.Unlock()
				onError(item, err)
			}
			return nil
		})
	}
	_ = g.Wait() // never fails: errors went to onError
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return stopped
}

// result of a pass: what has begun steps back behind what has not.
func (p *pass) result() ctrl.Result {
	result := ctrl.Result{RequeueAfter: p.again}
	if p.run != nil {
		priority := ongoing
		result.Priority = &priority
	}
	return result
}

// goOn asks for a pass of a run that has begun, after a while.
func goOn(q workqueue.TypedRateLimitingInterface[reconcile.Request], run *run, after time.Duration) {
	request := reconcile.Request{NamespacedName: run.key}
	if queue, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		priority := ongoing
		queue.AddWithOpts(priorityqueue.AddOpts{After: after, Priority: &priority}, request)
		return
	}
	q.AddAfter(request, after)
}
