// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// ledger has all records in memory, as they were last stored. Only the hub that leads has one.
type ledger struct {
	mu      sync.Mutex
	records map[string]*Record              // by name; what is in it is not changed, but replaced
	alike   map[alike]map[string]*Record    // those about the same thing
	follows map[types.UID]map[string]string // names of the open records about an object
	busy    map[alike]string                // name of the one that is being carried out
	given   map[string]chan struct{}        // those that were given out and not acknowledged since; closed when they are
}

// alike are the records of a control plane whose keys have the same prefix.
type alike struct{ controlPlane, prefix string }

func newLedger() *ledger {
	return &ledger{
		records: map[string]*Record{}, alike: map[alike]map[string]*Record{}, follows: map[types.UID]map[string]string{},
		busy: map[alike]string{}, given: map[string]chan struct{}{},
	}
}

func (r *Record) alike() (alike, bool) {
	prefix, _ := splitKey(r.Job.IdempotencyKey)
	return alike{r.ControlPlane, prefix}, prefix != ""
}

// put a record as it was stored.
func (l *ledger) put(r *Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := r.name()
	l.drop(name)
	l.records[name] = r
	if key, ok := r.alike(); ok {
		if l.alike[key] == nil {
			l.alike[key] = map[string]*Record{}
		}
		l.alike[key][name] = r
	}
	if r.State == StateApplied && r.Ref != nil {
		uid := types.UID(r.Ref.UID)
		if l.follows[uid] == nil {
			l.follows[uid] = map[string]string{}
		}
		l.follows[uid][name] = name
	}
}

// forget a record that is gone.
func (l *ledger) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(name)
}

func (l *ledger) drop(name string) {
	old := l.records[name]
	if old == nil {
		return
	}
	delete(l.records, name)
	if key, ok := old.alike(); ok {
		if delete(l.alike[key], name); len(l.alike[key]) == 0 {
			delete(l.alike, key)
		}
	}
	if old.Ref != nil {
		uid := types.UID(old.Ref.UID)
		if delete(l.follows[uid], name); len(l.follows[uid]) == 0 {
			delete(l.follows, uid)
		}
	}
}

// get a copy of a record; nil when there is none.
func (l *ledger) get(name string) *Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.records[name]
	if r == nil {
		return nil
	}
	mine := *r
	return &mine
}

// following are the names of the records that wait for what becomes of an object.
func (l *ledger) following(uid types.UID) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for name := range l.follows[uid] {
		names = append(names, name)
	}
	return names
}

// behind are the names of the records about the same thing that have not been applied yet.
func (l *ledger) behind(r *Record) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	key, ok := r.alike()
	if !ok {
		return nil
	}
	var names []string
	for name, other := range l.alike[key] {
		if other.State == StateAcked && name != r.name() {
			names = append(names, name)
		}
	}
	return names
}

// open are the names of the records of a control plane whose result is not in.
func (l *ledger) open(controlPlane string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for name, r := range l.records {
		if r.ControlPlane == controlPlane && r.open() {
			names = append(names, name)
		}
	}
	return names
}

// count the records of a control plane.
func (l *ledger) count(controlPlane string) (open, closed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		switch {
		case r.ControlPlane != controlPlane:
		case r.open():
			open++
		default:
			closed++
		}
	}
	return open, closed
}

// give notes that the control plane has given a job out, and so waits for it to be acknowledged. What is returned is closed when it is.
func (l *ledger) give(name string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.given[name] == nil {
		l.given[name] = make(chan struct{})
	}
	return l.given[name]
}

// unacknowledged tells whether a job was given out, and not acknowledged since.
func (l *ledger) unacknowledged(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.given[name] != nil
}

// acknowledged notes that a job is not given out any more.
func (l *ledger) acknowledged(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if done := l.given[name]; done != nil {
		close(done)
		delete(l.given, name)
	}
}

// claim that a record is the only one about its thing that is being carried out, until release; false when another one is.
func (l *ledger) claim(r *Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key, ok := r.alike()
	if !ok {
		return true
	}
	if name := l.busy[key]; name != "" && name != r.name() {
		return false
	}
	l.busy[key] = r.name()
	return true
}

// release what claim claimed.
func (l *ledger) release(r *Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if key, ok := r.alike(); ok && l.busy[key] == r.name() {
		delete(l.busy, key)
	}
}

// Rivals of a job: others of the same control plane about the same thing.
type Rivals struct {
	// Ahead is the id of one that was made before it, and has not been applied yet; empty when there is none.
	Ahead string
	// Twin is the id of one with the same key that has succeeded, or is under way; empty when there is none.
	Twin string
	// Newest is the highest generation that was applied; 0 when there is none.
	Newest int64
}

// rivals of a record.
func (l *ledger) rivals(r *Record) Rivals {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found Rivals
	key, ok := r.alike()
	if !ok {
		return found
	}
	var ahead *Record
	for name, other := range l.alike[key] {
		switch {
		case name == r.name():
		case !other.AppliedAt.IsZero():
			found.applied(r, other)
		case (other.State == StateReceived || other.State == StateAcked) && other.before(r) && (ahead == nil || other.before(ahead)):
			ahead = other
		}
	}
	if ahead != nil {
		found.Ahead = ahead.Job.ID
	}
	return found
}

// applied counts a rival of a job that was applied.
func (found *Rivals) applied(r, other *Record) {
	if _, generation := splitKey(other.Job.IdempotencyKey); generation > found.Newest {
		found.Newest = generation
	}
	done := other.State == StateApplied || other.Result != nil && other.Result.Outcome == wire.OutcomeSucceeded
	if done && other.Job.IdempotencyKey == r.Job.IdempotencyKey {
		found.Twin = other.Job.ID
	}
}

// surplus are the closed records that are not kept: those older than keep, and the oldest of more than most.
func (l *ledger) surplus(now time.Time, keep time.Duration, most int) []*Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var closed []*Record
	for _, r := range l.records {
		if !r.open() {
			closed = append(closed, r)
		}
	}
	slices.SortFunc(closed, func(a, b *Record) int { return a.ClosedAt.Compare(b.ClosedAt) })
	n := max(len(closed)-most, 0)
	for n < len(closed) && now.Sub(closed[n].ClosedAt) > keep {
		n++
	}
	return closed[:n]
}
