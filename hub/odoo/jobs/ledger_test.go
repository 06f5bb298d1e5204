// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vworkspace.io/fleet/hub/odoo/wire"
)

func record(id, key string, change ...func(*Record)) *Record {
	r := &Record{ControlPlane: "odoo", State: StateAcked, ReceivedAt: noon, Job: wire.Job{ID: id, IdempotencyKey: key, CreatedAt: noon}}
	for _, c := range change {
		c(r)
	}
	return r
}

func in(s State) func(*Record) {
	return func(r *Record) {
		if r.State = s; s == StateApplied || s == StateClosed {
			r.AppliedAt = noon
		}
	}
}

func with(outcome string) func(*Record) {
	return func(r *Record) { r.Result = &wire.Result{Outcome: outcome} }
}

func TestRivals(t *testing.T) {
	later := func(r *Record) { r.Job.CreatedAt = noon.Add(time.Minute) }
	cases := []struct {
		name   string
		others []*Record
		r      *Record
		want   Rivals
	}{
		{name: "alone", r: record("b", "k@2")},
		{name: "without a key nobody is a rival", others: []*Record{record("a", "")}, r: record("b", "")},
		{name: "the one that was made before goes first", others: []*Record{record("z", "k@1")}, r: record("b", "k@2", later), want: Rivals{Ahead: "z"}},
		{name: "by id when both were made at the same time", others: []*Record{record("a", "k@1")}, r: record("b", "k@2"), want: Rivals{Ahead: "a"}},
		{name: "the one that was made after does not", others: []*Record{record("a", "k@1", later)}, r: record("b", "k@2")},
		{name: "what may have been begun by a hub before goes first", others: []*Record{record("a", "k@1", later, func(r *Record) { r.resumed = true })}, r: record("b", "k@2"), want: Rivals{Ahead: "a"}},
		{name: "of another control plane", others: []*Record{record("a", "k@1", func(r *Record) { r.ControlPlane = "other" })}, r: record("b", "k@2")},
		{name: "another generation was applied", others: []*Record{record("a", "k@3", in(StateApplied))}, r: record("b", "k@2"), want: Rivals{Newest: 3}},
		{name: "and has ended, however", others: []*Record{record("a", "k@3", in(StateClosed), with(wire.OutcomeFailed))}, r: record("b", "k@2"), want: Rivals{Newest: 3}},
		{name: "the same is under way", others: []*Record{record("a", "k@2", in(StateApplied))}, r: record("b", "k@2"), want: Rivals{Newest: 2, Twin: "a"}},
		{name: "the same has succeeded", others: []*Record{record("a", "k", in(StateClosed), with(wire.OutcomeSucceeded))}, r: record("b", "k"), want: Rivals{Twin: "a"}},
		{name: "the same has failed, and may be done again", others: []*Record{record("a", "k", in(StateClosed), with(wire.OutcomeFailed))}, r: record("b", "k")},
		{
			name: "the same was refused, and may be done again", r: record("b", "k"),
			others: []*Record{record("a", "k", func(r *Record) { r.refuse(noon, wire.OutcomeFailed, "x"); r.close(noon) })},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger()
			for _, r := range append(c.others, c.r) {
				l.put(r)
			}
			if diff := cmp.Diff(c.want, l.rivals(c.r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOneOfAlikeIsCarriedOutAtATime(t *testing.T) {
	l, a, b, other := newLedger(), record("a", "k@1"), record("b", "k@2"), record("c", "l@1")
	for _, r := range []*Record{a, b, other} {
		l.put(r)
	}
	if !l.claim(a) {
		t.Fatal("the first is refused")
	}
	if l.claim(b) {
		t.Error("the second is let through")
	}
	if !l.claim(other) {
		t.Error("one about something else is refused")
	}
	l.release(b)
	if l.claim(b) {
		t.Error("the second has released what is the first's")
	}
	l.release(a)
	if !l.claim(b) {
		t.Error("the second is refused when the first is done")
	}
}

func TestLedgerForgets(t *testing.T) {
	l, r := newLedger(), record("a", "k@1", in(StateApplied), func(r *Record) { r.Ref = &wire.Ref{UID: "u"} })
	l.put(r)
	if got := l.following("u"); !slices.Equal(got, []string{r.name()}) {
		t.Errorf("nobody follows the object: %v", got)
	}
	closed := *r
	closed.close(noon)
	l.put(&closed)
	if got := l.following("u"); got != nil {
		t.Errorf("a closed record follows: %v", got)
	}
	l.forget(r.name())
	if len(l.records)+len(l.alike)+len(l.follows)+len(l.given)+len(l.busy) != 0 {
		t.Errorf("something stays: %+v", l)
	}
}

func TestSurplus(t *testing.T) {
	l := newLedger()
	for i := range 6 {
		l.put(record(fmt.Sprint(i), "", func(r *Record) { r.close(noon.Add(time.Duration(i) * time.Hour)) }))
	}
	l.put(record("open", "", func(r *Record) { r.ReceivedAt = noon.Add(-1000 * time.Hour) }))
	ids := func(records []*Record) (ids []string) {
		for _, r := range records {
			ids = append(ids, r.Job.ID)
		}
		return ids
	}
	cases := []struct {
		name string
		now  time.Time
		most int
		want []string
	}{
		{name: "none", now: noon.Add(5 * time.Hour), most: 6},
		{name: "too old", now: noon.Add(11*time.Hour + time.Minute), most: 6, want: []string{"0", "1"}},
		{name: "too many", now: noon.Add(5 * time.Hour), most: 3, want: []string{"0", "1", "2"}},
		{name: "both", now: noon.Add(11*time.Hour + time.Minute), most: 5, want: []string{"0", "1"}},
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.want, ids(l.surplus(c.now, 10*time.Hour, c.most))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestRecordSurvives(t *testing.T) {
	r := newRecord("odoo", &wire.Job{
		ID: "j1", Kind: wire.KindIntent, Payload: []byte(`{"intent":"x"}`), IdempotencyKey: "k@1", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour), Signature: "a..b", RequestedBy: "ann",
	}, noon)
	r.State, r.Doing, r.AppliedAt, r.Ref = StateApplied, DoingApply, noon, &wire.Ref{Kind: kindOperation, Name: "o", UID: "u", Generation: 3}
	cm, err := r.configMap("hub")
	if err != nil {
		t.Fatal(err)
	}
	got, err := recordFrom(cm)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, got, cmp.AllowUnexported(Record{})); diff != "" {
		t.Error(diff)
	}
	r.decide(noon, wire.OutcomeSucceeded, "")
	r.close(noon.Add(time.Minute))
	if cm, err = r.configMap("hub"); err != nil {
		t.Fatal(err)
	}
	if got, err = recordFrom(cm); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wire.Job{ID: "j1", Kind: wire.KindIntent, IdempotencyKey: "k@1", CreatedAt: noon}, got.Job); diff != "" {
		t.Error("more is kept than is needed", diff)
	}
	if diff := cmp.Diff(r.Result, got.Result); diff != "" {
		t.Error("the result has changed", diff)
	}
	cm.Name = "vworkspace-job-forged"
	if _, err := recordFrom(cm); err == nil {
		t.Error("a record under another's name is taken")
	}
}

func TestWhatNoRecordHoldsIsRefused(t *testing.T) {
	r := newRecord("odoo", &wire.Job{ID: "j1", Kind: wire.KindApply, Payload: make([]byte, largestJob+1)}, noon)
	if r.State != StateReceived || !r.Refused || r.Result.Outcome != wire.OutcomeFailed || len(r.Job.Payload) != 0 {
		t.Errorf("got %+v", r)
	}
	r = newRecord("odoo", &wire.Job{ID: "j2", Malformed: "its field kind must not be a JSON number"}, noon)
	if !r.Refused || r.Result.Error != "the job cannot be read: its field kind must not be a JSON number" {
		t.Errorf("got %+v", r.Result)
	}
}
