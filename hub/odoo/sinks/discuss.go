// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// editEvery so often, at most, a message is edited that has not ended.
const editEvery = 5 * time.Second

// Discuss writes into a channel of Odoo's Discuss. Each Operation has one message there, which is edited as it goes on, and one reply to that when it has
// ended. The messages have ids that are made from the Operation's UID, so that they are found again after a restart, or when the answer to a post was lost.
type Discuss struct {
	name    string
	odoo    odoo
	channel int64
	clock   clock.PassiveClock

	mu      sync.Mutex
	threads map[string]*thread // by UID, of Operations that have not ended
}

// thread is the message about an Operation.
type thread struct {
	message int64     // its id; 0 before it was looked for
	ended   bool      // its reply is there
	edited  time.Time // when it last was
	shown   string    // what it says
	wanted  string    // what it is to say
}

// NewDiscuss makes a sink of a name, with the certificates to trust, in PEM, empty for the system's.
func NewDiscuss(name string, api opsv1alpha1.DiscussAPI, account OdooAccount, channel int64, ca []byte, c clock.PassiveClock) (*Discuss, error) {
	client, err := newHTTPClient(ca)
	if err != nil {
		return nil, err
	}
	return &Discuss{name: name, odoo: newOdoo(api, account, client), channel: channel, clock: c, threads: map[string]*thread{}}, nil
}

// Name implements stream.Sink.
func (s *Discuss) Name() string { return s.name }

// Wants implements stream.Sink: what happens to Operations. How they stand is in their messages already.
func (s *Discuss) Wants(e *wire.Event) bool {
	return e.ResourceRef.Kind == "Operation" && e.ResourceRef.UID != "" && !e.Snapshot
}

// Deliver implements stream.Sink. Of a batch it shows what came last of each Operation.
func (s *Discuss) Deliver(ctx context.Context, events []wire.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, order := map[string]*wire.Event{}, []string{}
	for i := range events {
		e := &events[i]
		uid := e.ResourceRef.UID
		if known := last[uid]; known == nil {
			order = append(order, uid)
		} else if ended(known) {
			continue // a Deleted after the end is no news
		}
		last[uid] = e
	}
	for _, uid := range order {
		if err := s.show(ctx, uid, last[uid]); err != nil {
			delete(s.threads, uid) // what was asked for may have been done all the same: it is looked for
			return err
		}
	}
	return nil
}

// show an event: at once when it is the first or the last of its Operation, and otherwise when it is due.
func (s *Discuss) show(ctx context.Context, uid string, e *wire.Event) error {
	t := s.threads[uid]
	if t == nil {
		found, err := s.find(ctx, uid)
		if err != nil {
			return err
		}
		t = found
		if !t.ended {
			s.threads[uid] = t
		}
	}
	if t.ended {
		return nil
	}
	t.wanted = body(e)
	if t.message == 0 {
		id, err := s.post(ctx, messageID(uid, ""), t.wanted, 0)
		if err != nil {
			return err
		}
		t.message, t.shown, t.edited = id, t.wanted, s.clock.Now()
	}
	if !ended(e) {
		return s.editDue(ctx, t)
	}
	if err := s.edit(ctx, t); err != nil {
		return err
	}
	if _, err := s.post(ctx, messageID(uid, "end"), reply(e), t.message); err != nil {
		return err
	}
	delete(s.threads, uid)
	return nil
}

// Flush implements stream.Flusher: edits that were put off.
func (s *Discuss) Flush(ctx context.Context) (again time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.threads {
		if t.message == 0 || t.wanted == t.shown {
			continue
		}
		if err := s.editDue(ctx, t); err != nil {
			return 0, err
		}
		if left := t.edited.Add(editEvery).Sub(s.clock.Now()); t.wanted != t.shown && (again == 0 || left < again) {
			again = left
		}
	}
	return again, nil
}

func (s *Discuss) editDue(ctx context.Context, t *thread) error {
	if s.clock.Since(t.edited) < editEvery {
		return nil
	}
	return s.edit(ctx, t)
}

func (s *Discuss) edit(ctx context.Context, t *thread) error {
	if t.wanted == t.shown {
		return nil
	}
	var done bool
	if err := s.odoo.call(ctx, "mail.message", "write", []int64{t.message}, map[string]any{"vals": map[string]any{"body": t.wanted}}, &done); err != nil {
		return err
	}
	t.shown, t.edited = t.wanted, s.clock.Now()
	return nil
}

// messageID of the messages about an Operation, in the form of RFC 5322. Odoo keeps it with the message, in a field that is indexed.
func messageID(uid, part string) string {
	if part != "" {
		uid += "." + part
	}
	return "<" + uid + "@ops.vworkspace.io>"
}

// find the thread of an Operation in the channel, where it is.
func (s *Discuss) find(ctx context.Context, uid string) (*thread, error) {
	var found []struct {
		ID        int64  `json:"id"`
		MessageID string `json:"message_id"`
	}
	first, end := messageID(uid, ""), messageID(uid, "end")
	err := s.odoo.call(ctx, "mail.message", "search_read", nil, map[string]any{
		"domain": []any{
			[]any{"model", "=", "discuss.channel"}, []any{"res_id", "=", s.channel}, []any{"message_id", "in", []string{first, end}},
		},
		"fields": []string{"message_id"}, "order": "id", "limit": 4,
	}, &found)
	if err != nil {
		return nil, err
	}
	t := &thread{}
	for _, m := range slices.Backward(found) { // the oldest, if there should be two
		if m.MessageID == first {
			t.message = m.ID
		}
		t.ended = t.ended || m.MessageID == end
	}
	return t, nil
}

// post a message in the channel, and return its id.
func (s *Discuss) post(ctx context.Context, id, text string, parent int64) (int64, error) {
	named := map[string]any{
		"body": text, "body_is_html": true, "message_type": "comment", "subtype_xmlid": "mail.mt_comment", "message_id": id,
	}
	if parent > 0 {
		named["parent_id"] = parent
	}
	var answer json.RawMessage
	if err := s.odoo.call(ctx, "discuss.channel", "message_post", []int64{s.channel}, named, &answer); err != nil {
		return 0, err
	}
	var one int64 // an Odoo before 19 answers the id, a later one all ids
	var all []int64
	if json.Unmarshal(answer, &one) == nil && one > 0 {
		return one, nil
	}
	if json.Unmarshal(answer, &all) == nil && len(all) == 1 {
		return all[0], nil
	}
	return 0, fmt.Errorf("discuss.channel.message_post: its answer is no message's id")
}
