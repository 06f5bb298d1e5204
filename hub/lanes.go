// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"sync"
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
//	what goes on has less priority than what is new, or what somebody has changed
//	all passes together write Options.Workers works at once, whoever asks first
const (
	// firstTurn is how long an Operation is dispatched in the pass that began it: enough for a small one, and soon over when many begin at once.
	firstTurn = 50 * time.Millisecond
	// turn of any later pass.
	turn = 500 * time.Millisecond
	// sweepTurn is that of passes which list all works of an Operation first.
	sweepTurn = 2 * time.Second
	// untilDone is no turn: for what has to be whole before the next step.
	untilDone = time.Hour
	// ongoing is the priority of a run that has begun. What is new has 0.
	ongoing = -1
)

// lanes of all works that are written. The zero value limits nothing.
type lanes struct{ free *semaphore.Weighted }

func newLanes(workers int) lanes { return lanes{semaphore.NewWeighted(int64(workers))} }

// enter waits for a lane. The caller leaves it by the function that it gets.
func (l lanes) enter(ctx context.Context) (leave func(), err error) {
	if l.free == nil {
		return func() {}, nil
	}
	if err := l.free.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return func() { l.free.Release(1) }, nil
}

// inTurn calls do for the items, as many at once as there are lanes, until the turn of the pass is over, and onError, one at a time, for those that
// failed. When items are left it asks for another pass, at once, and tells so.
func inTurn[T any](ctx context.Context, r *OperationReconciler, p *pass, items []T, turn time.Duration, do func(context.Context, T) error, onError func(T, error)) (left bool, err error) {
	over := p.now.Add(turn)
	if p.first {
		over = p.now.Add(firstTurn)
	}
	err = each(ctx, items, r.Workers, func(ctx context.Context, item T) error {
		leave, err := r.lanes.enter(ctx)
		if err != nil {
			return err
		}
		defer leave()
		return do(ctx, item)
	}, onError, func() bool { return r.Clock.Now().Before(over) })
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
