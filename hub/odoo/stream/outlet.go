// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/utils/clock"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// gatherFor so long after the first news a batch is delivered that is not full.
	gatherFor = time.Second
	// minBackoff and maxBackoff are how long a sink is left alone after an error, unless it says itself for how long.
	minBackoff = time.Second
	maxBackoff = time.Minute
	// awayAfter so long of errors a sink counts as away: what is deleted is put into letters for it, and once it is back, it gets a snapshot.
	awayAfter = 30 * time.Second
)

// outlet delivers to one sink. What it keeps of an object is a cursor, and its key while there is news of it.
type outlet struct {
	sink   Sink
	store  store
	clock  clock.PassiveClock
	jitter func() float64 // from 0 up to 1
	// told that the end of an Operation was; changed the state did; burnt a letter was.
	told    func(key)
	changed func()
	burnt   func(letterRef)

	mu      sync.Mutex
	cursors map[key]cursor
	queue   []key
	queued  map[key]struct{}
	later   map[key]int64 // when there will be news of an object, in Unix seconds
	gone    map[key]event // ApplicationInstances that are no more, and their event
	first   time.Time     // when the oldest news came that was not looked at; zero when there is none
	// paused outlets deliver nothing.
	paused bool
	// failing since when; zero when the last delivery was taken.
	failing  time.Time
	failures int
	nextTry  time.Time
	flushAt  time.Time // when a sink that puts things off has something to do
	state    State
	// droppedAt is when something was last dropped.
	droppedAt time.Time
	// snapshot is due before all else, and anew is it to be begun; todo is what of it is left.
	snapshot, anew bool
	todo           []key
	// mail: letters may be there. mails are those that were found.
	mail  bool
	mails []letterRef
	open  []event // what is left of the first of mails
	at    int     // how many of its events were told
	wake  chan struct{}
}

func newOutlet(sink Sink, s store, c clock.PassiveClock) *outlet {
	return &outlet{
		sink: sink, store: s, clock: c, jitter: rand.Float64, told: func(key) {}, changed: func() {}, burnt: func(letterRef) {},
		cursors: map[key]cursor{}, queued: map[key]struct{}{}, later: map[key]int64{}, gone: map[key]event{},
		snapshot: true, anew: true, mail: true, wake: make(chan struct{}, 1),
	}
}

// news of an object.
func (o *outlet) news(k key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.enqueue(k)
}

func (o *outlet) enqueue(k key) {
	if _, known := o.queued[k]; known {
		return
	}
	o.queued[k] = struct{}{}
	o.queue = append(o.queue, k)
	if o.first.IsZero() {
		o.first = o.clock.Now()
	}
	o.poke()
}

// poke makes the outlet look again.
func (o *outlet) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// newsOf an Operation that may have been told all of.
func (o *outlet) newsOf(k key, v view) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c, known := o.cursors[k]; v.Status.Phase.Terminal() && !v.held() {
		if !known {
			return
		}
		if c.uid != v.UID || c.over || c.lettered {
			delete(o.cursors, k)
			return
		}
	}
	o.enqueue(k)
}

// takeOver what was told to a sink that another takes the place of. News it gets anew.
func (o *outlet) takeOver(old *outlet) {
	old.mu.Lock()
	defer old.mu.Unlock()
	o.cursors, o.later, o.gone = maps.Clone(old.cursors), maps.Clone(old.later), maps.Clone(old.gone)
	o.failing, o.droppedAt = old.failing, old.droppedAt
	o.state = State{Dropped: old.state.Dropped, Full: old.state.Full, LastContact: old.state.LastContact}
}

// forget an object that is no more.
func (o *outlet) forget(k key, last *event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.cursors, k)
	delete(o.later, k)
	if last != nil {
		o.gone[k] = *last
		o.enqueue(k)
	}
}

// pause, or go on.
func (o *outlet) pause(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.paused && !on {
		o.resync()
	}
	o.paused = on
	o.poke()
}

// resync has how everything stands told anew, before all else.
func (o *outlet) resync() {
	o.snapshot, o.anew, o.state.Resynced = true, true, false
}

// post tells that there are letters.
func (o *outlet) post() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mail = true
	o.poke()
}

// away tells whether the sink has not taken anything for so long that it is not waited for.
func (o *outlet) away() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.paused || !o.failing.IsZero() && o.clock.Since(o.failing) >= awayAfter
}

// answered tells whether a sink needs to hear nothing more of an Operation: it was told all, or will be by a letter.
func (o *outlet) answered(k key, op *opsv1alpha1.Operation) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.cursors[k]
	switch {
	case c.uid != op.UID:
		return false
	case view{Operation: op}.leaves():
		return c.gone || c.lettered
	default:
		return c.over
	}
}

// cursorOf an object, as far as it is known.
func (o *outlet) cursorOf(k key) cursor {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cursors[k]
}

// lettered takes note that what is left to tell of an Operation is in a letter, without what was dropped.
func (o *outlet) lettered(k key, op *opsv1alpha1.Operation, dropped int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.cursors[k]
	if c.uid != op.UID {
		c = cursor{uid: op.UID}
	}
	c.lettered = true
	o.cursors[k] = c
	o.dropped(dropped)
	o.mail = true
	o.poke()
}

// dropped so many transitions were.
func (o *outlet) dropped(n int64) {
	if n > 0 {
		o.state.Dropped += n
		o.droppedAt = o.clock.Now()
	}
}
