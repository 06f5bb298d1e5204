// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"vworkspace.io/fleet/hub/odoo/wire"
)

const (
	// DefaultBudget is how many bytes of letters there may be. It is a part of what etcd holds, which is 2 GiB unless somebody chose otherwise.
	DefaultBudget = 32 << 20
	// tight is how much of the budget is for everything, in quarters: what is left is for how things ended.
	tight = 3
)

// outbox is what waits in letters.
type outbox struct {
	bytes map[string]int // by name
	total int
	// sent tells for whom an Operation that is still there was put into letters without their having been added.
	sent map[types.UID][]string
}

func (b *outbox) put(ref letterRef) {
	b.total += ref.bytes - b.bytes[ref.name]
	b.bytes[ref.name] = ref.bytes
}

func (b *outbox) drop(name string) {
	b.total -= b.bytes[name]
	delete(b.bytes, name)
}

// tidy counts what is in letters, and burns those for sinks that are no more; at the start, and when a sink was removed.
func (s *Stream) tidy(ctx context.Context) error {
	s.mu.Lock()
	untidy := s.untidy
	s.untidy = false
	s.mu.Unlock()
	if !untidy {
		return nil
	}
	err := s.count(ctx)
	if err != nil {
		s.mu.Lock()
		s.untidy = true
		s.mu.Unlock()
	}
	return err
}

func (s *Stream) count(ctx context.Context) error {
	names, err := s.store.expected(ctx)
	if err != nil {
		return err
	}
	refs, err := s.store.letters(ctx)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if slices.Contains(names, ref.sink) {
			s.mu.Lock()
			s.box.put(ref)
			s.mu.Unlock()
			continue
		}
		if err := s.store.burn(ctx, ref); err != nil {
			return err
		}
		s.burnt(ref)
	}
	return nil
}

// burnt takes note that a letter is no more.
func (s *Stream) burnt(ref letterRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.box.drop(ref.name)
}

func (s *Stream) isFull() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.box.total >= s.budget
}

// room that is left for letters, and whether it is only for how things ended.
func (s *Stream) room() (left int, endsOnly bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.budget - s.box.total, s.box.total > s.budget/4*tight
}

// writeDown what is left to tell a sink of an Operation that goes. The outlet is nil when the sink was not added: then it is all there is.
func (s *Stream) writeDown(ctx context.Context, k key, v view, name string, o *outlet) error {
	left, endsOnly := s.room()
	if left <= 0 {
		return ErrFull
	}
	c := cursor{uid: v.UID}
	wants := func(*wire.Event) bool { return true }
	if o != nil {
		if known := o.cursorOf(k); known.uid == v.UID {
			c = known
		}
		wants = o.sink.Wants
	}
	events, dropped, err := s.rest(ctx, c, v, wants)
	if err != nil {
		return err
	}
	id := string(v.UID)
	if endsOnly {
		var cut int64
		events, cut = ends(events)
		dropped += cut
	}
	err = s.send(ctx, name, id, events)
	if err == nil {
		s.wrote(k, v, name, o, dropped)
	}
	return err
}

// send events as letters, all or, when there is no room for them, none. What is begun and broken off is written again under the same names.
func (s *Stream) send(ctx context.Context, sink, id string, events []event) error {
	letters, err := lettersOf(sink, id, events, maxLetter)
	if err != nil {
		return err
	}
	size := 0
	for _, l := range letters {
		size += len(l.data)
	}
	s.mu.Lock()
	for _, l := range letters {
		size -= s.box.bytes[l.name]
	}
	fits := s.box.total+size <= s.budget
	s.mu.Unlock()
	if !fits {
		return ErrFull
	}
	for _, l := range letters {
		ref, err := s.store.write(ctx, l)
		if err != nil {
			return fmt.Errorf("write the letter %s: %w", l.name, err)
		}
		s.mu.Lock()
		s.box.put(ref)
		s.mu.Unlock()
	}
	return nil
}

// wrote takes note that an Operation is in letters for a sink.
func (s *Stream) wrote(k key, v view, name string, o *outlet, dropped int64) {
	if o != nil {
		o.lettered(k, v.Operation, dropped)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.box.sent[v.UID] = append(s.box.sent[v.UID], name)
}

// sent tells whether an Operation is in letters for a sink that was not there.
func (s *Stream) sent(v view, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.box.sent[v.UID], name)
}

func (s *Stream) letGo(v view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.box.sent, v.UID)
}

// rest is all that is left to tell of an Operation that goes, as far as it is wanted.
func (s *Stream) rest(ctx context.Context, c cursor, v view, wants func(*wire.Event) bool) (events []event, dropped int64, err error) {
	take := func(e event) bool {
		if wants(&e) {
			events = append(events, e)
		}
		return true
	}
	dropped, _ = c.transitions(v, take)
	if due, _ := c.reads(v, s.clock.Now()); due {
		for i := range c.detailed().chunks {
			results, _, err := s.store.results(ctx, v.Operation, i)
			if err != nil {
				return nil, 0, err
			}
			c.results(v, i, results, take)
		}
	}
	c.end(v, take)
	return events, dropped, nil
}

// ends are those of some events that say how something ended, and how many others there are.
func ends(events []event) (last []event, others int64) {
	for _, e := range events {
		if e.Terminal() || e.Kind == wire.EventDeleted {
			last = append(last, e)
		} else {
			others++
		}
	}
	return last, others
}
