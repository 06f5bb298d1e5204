// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"time"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// batch is what is delivered at once, and what is so when it has been.
type batch struct {
	events []event
	wants  func(*wire.Event) bool
	keys   []key // whose news were taken from the queue
	has    map[key]bool
	after  []func()
	again  []key         // there is more to tell of them
	later  map[key]int64 // there will be, in Unix seconds
	wrong  error         // something could not be read
}

func (o *outlet) newBatch() *batch {
	return &batch{wants: o.sink.Wants, has: map[key]bool{}, later: map[key]int64{}}
}

func (b *batch) full() bool { return len(b.events) >= MaxBatch }

func (b *batch) take(e event) bool {
	if !b.wants(&e) {
		return true
	}
	if b.full() {
		return false
	}
	b.events = append(b.events, e)
	return true
}

// done once the batch is delivered.
func (b *batch) done(f func()) { b.after = append(b.after, f) }

// fill a batch with what comes next: how everything stands if the sink was away, letters, and then news.
func (o *outlet) fill(ctx context.Context) *batch {
	b := o.newBatch()
	o.mu.Lock()
	snapshot, mail := o.snapshot, o.mail
	o.mu.Unlock()
	switch {
	case snapshot:
		b.wrong = o.fillSnapshot(ctx, b)
	case mail:
		b.wrong = o.fillLetter(ctx, b)
	default:
		o.fillNews(ctx, b)
	}
	return b
}

// fillNews with what is to be told of objects that there is news of.
func (o *outlet) fillNews(ctx context.Context, b *batch) {
	for !b.full() {
		k, found := o.pop()
		if !found {
			return
		}
		if b.has[k] { // what is told of it now counts as told only when the batch was delivered
			b.again = append(b.again, k)
			return
		}
		b.keys, b.has[k] = append(b.keys, k), true
		if k.kind == kindInstance {
			b.wrong = o.fillInstance(ctx, b, k)
		} else {
			b.wrong = o.fillOperation(ctx, b, k)
		}
		if b.wrong != nil {
			b.again = append(b.again, k)
			return
		}
	}
}

func (o *outlet) pop() (k key, found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		o.queue, o.queued = nil, map[key]struct{}{} // and what they had grown to
		return key{}, false
	}
	k, o.queue = o.queue[0], o.queue[1:]
	delete(o.queued, k)
	return k, true
}

func (o *outlet) fillOperation(ctx context.Context, b *batch, k key) error {
	v, err := o.viewOf(ctx, k)
	if err != nil {
		return err
	}
	if v.Operation == nil {
		b.done(func() { delete(o.cursors, k) })
		return nil
	}
	c := o.cursorOf(k)
	if c.uid != v.UID {
		if v.Status.Phase.Terminal() && !v.held() {
			return nil // all of it was told before, or nobody was there to be told
		}
		c = cursor{uid: v.UID}
	}
	if c.lettered {
		return nil
	}
	dropped, all := c.transitions(v, b.take)
	if all {
		all, err = o.fillResults(ctx, b, k, &c, v)
	}
	if all && err == nil {
		all = c.end(v, b.take)
	}
	if !all && err == nil {
		b.again = append(b.again, k)
	}
	b.done(func() {
		o.dropped(dropped)
		o.advance(k, c, v)
	})
	return err
}

// advance to a cursor, now that what lies before it was delivered.
func (o *outlet) advance(k key, c cursor, v view) {
	if c.over {
		c.more = nil
	}
	if known := o.cursors[k]; known.uid != c.uid || !known.lettered {
		o.cursors[k] = c
	}
	if c.over && !v.held() {
		delete(o.cursors, k) // nobody asks any more
	}
	if c.over || c.gone {
		o.told(k)
	}
}

// viewOf an Operation; without one when it is gone, or not the hub's.
func (o *outlet) viewOf(ctx context.Context, k key) (view, error) { return viewOf(ctx, o.store, k) }

func viewOf(ctx context.Context, s store, k key) (view, error) {
	op, err := s.operation(ctx, k)
	if err != nil || op == nil {
		return view{}, err
	}
	v := view{Operation: op}
	v.cluster, err = homeOf(ctx, s, v)
	return v, err
}

// fillResults of an Operation's clusters, as far as they are due.
func (o *outlet) fillResults(ctx context.Context, b *batch, k key, c *cursor, v view) (all bool, err error) {
	now := o.clock.Now()
	due, at := c.reads(v, now)
	if at > 0 {
		b.later[k] = at
	}
	if !due {
		return true, nil
	}
	n := int32(0)
	for i := range c.detailed().chunks {
		if size, told := c.whole(v, i); told {
			n += size
			continue
		}
		if b.full() {
			return false, nil
		}
		results, last, err := o.store.results(ctx, v.Operation, i)
		if err != nil {
			return false, err
		}
		if !c.results(v, i, results, b.take) {
			return false, nil
		}
		n += int32(last)
	}
	next := now.Add(resultsEvery)
	c.read(n, next)
	if n != endedOf(v) && !v.Status.Phase.Terminal() {
		b.later[k] = next.Unix() // what has ended is stored a little later
	}
	return true, nil
}

func (o *outlet) fillInstance(ctx context.Context, b *batch, k key) error {
	o.mu.Lock()
	last, gone := o.gone[k]
	o.mu.Unlock()
	if gone {
		if !b.take(last) {
			b.again = append(b.again, k)
			return nil
		}
		b.done(func() {
			if o.gone[k].EventKey == last.EventKey {
				delete(o.gone, k)
			}
		})
	}
	ai, err := o.store.instance(ctx, k)
	if err != nil || ai == nil {
		return err
	}
	c := o.cursorOf(k)
	if c.uid != ai.UID {
		c = cursor{uid: ai.UID}
	}
	if !c.instance(ai, b.take) {
		b.again = append(b.again, k)
	}
	b.done(func() { o.cursors[k] = c })
	return nil
}

// due moves objects whose time has come to those that there is news of, and says when the next comes; 0 when none does.
func (o *outlet) due(now time.Time) (next time.Duration) {
	for k, at := range o.later {
		left := time.Unix(at, 0).Sub(now)
		if left <= 0 {
			delete(o.later, k)
			o.enqueue(k)
		} else if next == 0 || left < next {
			next = left
		}
	}
	return next
}
