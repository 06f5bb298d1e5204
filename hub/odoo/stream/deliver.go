// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// patience is how long one delivery may take.
	patience = time.Minute
	// soon is as good as at once.
	soon = time.Nanosecond
	// showDropped so long it stays in the state that something was dropped.
	showDropped = time.Minute
)

// step does what is due and says when to look again: 0 for when there is news, or when poked.
func (o *outlet) step(ctx context.Context) time.Duration {
	if wait, ready := o.ready(); !ready {
		return wait
	}
	b := o.fill(ctx)
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if len(b.events) > 0 {
		if err := o.sink.Deliver(limited, b.events); err != nil {
			return o.failed(ctx, b, err)
		}
	}
	again := o.delivered(ctx, b)
	if err := o.flush(limited); err != nil {
		return o.failed(ctx, o.newBatch(), err)
	}
	return again
}

// flush a sink that puts things off.
func (o *outlet) flush(ctx context.Context) error {
	f, puts := o.sink.(Flusher)
	if !puts {
		return nil
	}
	again, err := f.Flush(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushAt = time.Time{}
	if again > 0 || err != nil {
		o.flushAt = o.clock.Now().Add(again)
	}
	return err
}

// run until ctx ends.
func (o *outlet) run(ctx context.Context, timer func(time.Duration) <-chan time.Time) {
	for ctx.Err() == nil {
		var again <-chan time.Time
		if wait := o.step(ctx); wait > 0 {
			again = timer(wait)
		}
		select {
		case <-ctx.Done():
		case <-again:
		case <-o.wake:
		}
	}
}

// ready tells whether there is something to do now, and if not, when there may be; 0 when that is not known.
func (o *outlet) ready() (wait time.Duration, ready bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.clock.Now()
	if o.paused {
		return 0, false
	}
	if wait := o.nextTry.Sub(now); wait > 0 {
		return wait, false
	}
	if o.snapshot || o.mail {
		return 0, true
	}
	next := o.due(now)
	if !o.flushAt.IsZero() {
		left := o.flushAt.Sub(now)
		if left <= 0 {
			return 0, true
		}
		if next == 0 || left < next {
			next = left
		}
	}
	switch n := len(o.queue); {
	case n == 0:
		return o.idle(now, next), false
	case n < MaxBatch && now.Before(o.first.Add(gatherFor)):
		return o.first.Add(gatherFor).Sub(now), false
	default:
		return 0, true
	}
}

// idle has told all that there is to tell. After a while nobody needs to know any more that something was dropped.
func (o *outlet) idle(now time.Time, next time.Duration) time.Duration {
	if o.state.Dropped == 0 {
		return next
	}
	left := o.droppedAt.Add(showDropped).Sub(now)
	if left <= 0 {
		o.state.Dropped = 0
		o.changed()
		return next
	}
	if next == 0 {
		return left
	}
	return min(next, left)
}

// delivered takes note that a batch was.
func (o *outlet) delivered(ctx context.Context, b *batch) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	now, before := o.clock.Now(), o.state
	for _, f := range b.after {
		f()
	}
	for _, k := range b.again {
		o.enqueue(k)
	}
	for k, at := range b.later {
		o.later[k] = at
	}
	switch {
	case len(o.queue) == 0:
		o.first = time.Time{}
	case b.full():
		o.first = now.Add(-gatherFor)
	default:
		o.first = now
	}
	if len(b.events) > 0 {
		o.failing, o.failures = time.Time{}, 0
		o.state.Connected, o.state.Err, o.state.LastContact = true, nil, now
	}
	o.tellChange(before)
	if b.wrong != nil {
		logf.FromContext(ctx).Error(b.wrong, "cannot read, or clear away, what is to be told", "sink", o.sink.Name())
		o.nextTry = now.Add(minBackoff)
		return minBackoff
	}
	return soon
}

// failed takes note that a batch was not taken. All of it is told again, with what has come since.
func (o *outlet) failed(ctx context.Context, b *batch, err error) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	now, before := o.clock.Now(), o.state
	for _, k := range append(b.keys, b.again...) {
		o.enqueue(k)
	}
	wait, asked := o.backoff(err)
	if !asked || o.failures == 0 {
		o.failures++
	}
	if o.failing.IsZero() {
		o.failing = now
	}
	if now.Sub(o.failing) >= awayAfter && !o.snapshot {
		o.resync()
	}
	o.nextTry = now.Add(wait)
	o.state.Connected, o.state.Err = false, err
	o.tellChange(before)
	if o.failures == 1 {
		logf.FromContext(ctx).Info("nothing can be told; it is tried again", "sink", o.sink.Name(), "error", err.Error())
	}
	return wait
}

// backoff is how long the sink is left alone after one failure more: as long as it asks for, or twice as long as the last time, more or less. A sink that asks reckons
// by itself, and its asking makes no later wait longer.
func (o *outlet) backoff(err error) (wait time.Duration, asked bool) {
	var asks interface{ RetryAfter() time.Duration }
	if errors.As(err, &asks) && asks.RetryAfter() > 0 {
		return max(minBackoff, asks.RetryAfter()), true
	}
	wait = maxBackoff
	if o.failures < 6 {
		wait = min(maxBackoff, minBackoff<<o.failures)
	}
	return max(minBackoff, time.Duration(float64(wait)*(0.75+o.jitter()/4))), false
}

// tellChange tells when the state says something else than before.
func (o *outlet) tellChange(before State) {
	now := o.state
	sameError := (before.Err == nil) == (now.Err == nil) && (now.Err == nil || before.Err.Error() == now.Err.Error())
	if before.Connected == now.Connected && before.Resynced == now.Resynced && (before.Dropped == 0) == (now.Dropped == 0) && sameError {
		return
	}
	o.changed()
}
