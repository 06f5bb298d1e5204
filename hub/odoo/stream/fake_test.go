// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
	"vworkspace.io/fleet/placement"
)

var errStore = errors.New("the API server does not answer (a fake)")

// fakeStore stands for the API server. It can be told to fail.
type fakeStore struct {
	names      []string
	operations map[key]*opsv1alpha1.Operation
	instances  map[key]*appsv1alpha1.ApplicationInstance
	chunks     map[types.UID][][]placement.ClusterResult
	stored     map[string]fakeLetter
	version    int
	now        func() time.Time
	// fails is asked before every call, with its name.
	fails func(call string) error
	// onSettle is told of every Operation that was let go.
	onSettle func(*opsv1alpha1.Operation)
}

type fakeLetter struct {
	letter
	ref letterRef
}

func newFakeStore(now func() time.Time, names ...string) *fakeStore {
	return &fakeStore{
		names: names, operations: map[key]*opsv1alpha1.Operation{}, instances: map[key]*appsv1alpha1.ApplicationInstance{},
		chunks: map[types.UID][][]placement.ClusterResult{}, stored: map[string]fakeLetter{}, now: now,
		fails: func(string) error { return nil }, onSettle: func(*opsv1alpha1.Operation) {},
	}
}

func (s *fakeStore) expected(context.Context) ([]string, error) { return s.names, s.fails("expected") }

func (s *fakeStore) operation(_ context.Context, k key) (*opsv1alpha1.Operation, error) {
	if err := s.fails("operation"); err != nil || s.operations[k] == nil {
		return nil, err
	}
	return s.operations[k].DeepCopy(), nil
}

func (s *fakeStore) instance(_ context.Context, k key) (*appsv1alpha1.ApplicationInstance, error) {
	if err := s.fails("instance"); err != nil || s.instances[k] == nil {
		return nil, err
	}
	return s.instances[k].DeepCopy(), nil
}

func (s *fakeStore) all(context.Context) ([]key, error) {
	keys := slices.Concat(slices.Collect(maps.Keys(s.operations)), slices.Collect(maps.Keys(s.instances)))
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.String(), b.String())) })
	return keys, s.fails("all")
}

func (s *fakeStore) results(_ context.Context, op *opsv1alpha1.Operation, chunk int) ([]placement.ClusterResult, int, error) {
	if err := s.fails("results"); err != nil || chunk >= len(s.chunks[op.UID]) {
		return nil, 0, err
	}
	all := s.chunks[op.UID][chunk]
	return slices.Clone(all), len(all), nil
}

func (s *fakeStore) change(op *opsv1alpha1.Operation, how func(*opsv1alpha1.Operation)) error {
	stored := s.operations[operationKey(op)]
	if stored == nil {
		return nil
	}
	if stored.UID != op.UID || stored.ResourceVersion != op.ResourceVersion {
		return apierrors.NewConflict(schema.GroupResource{Resource: "operations"}, op.Name, errors.New("it was changed"))
	}
	how(stored)
	s.touch(stored)
	return nil
}

// touch an Operation: it is another version, and gone when it is deleted and nothing holds it.
func (s *fakeStore) touch(op *opsv1alpha1.Operation) {
	s.version++
	op.ResourceVersion = fmt.Sprint(s.version)
	if op.DeletionTimestamp != nil && len(op.Finalizers) == 0 {
		delete(s.operations, operationKey(op))
		delete(s.chunks, op.UID)
	}
}

func (s *fakeStore) hold(_ context.Context, op *opsv1alpha1.Operation) error {
	if err := s.fails("hold"); err != nil {
		return err
	}
	return s.change(op, func(op *opsv1alpha1.Operation) { op.Finalizers = append(op.Finalizers, opsv1alpha1.ReportFinalizer) })
}

func (s *fakeStore) settle(_ context.Context, op *opsv1alpha1.Operation, _ []string) error {
	if err := s.fails("settle"); err != nil {
		return err
	}
	return s.change(op, func(op *opsv1alpha1.Operation) {
		op.Finalizers = slices.DeleteFunc(op.Finalizers, func(f string) bool { return f == opsv1alpha1.ReportFinalizer })
		s.onSettle(op)
	})
}

func (s *fakeStore) letters(context.Context) ([]letterRef, error) {
	if err := s.fails("letters"); err != nil {
		return nil, err
	}
	refs := make([]letterRef, 0, len(s.stored))
	for _, l := range s.stored {
		refs = append(refs, l.ref)
	}
	slices.SortFunc(refs, func(a, b letterRef) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.name, b.name)) })
	return refs, nil
}

func (s *fakeStore) open(_ context.Context, ref letterRef) ([]event, error) {
	l, known := s.stored[ref.name]
	if err := s.fails("open"); err != nil || !known {
		return nil, err
	}
	return decode(l.data)
}

func (s *fakeStore) write(_ context.Context, l letter) (letterRef, error) {
	if err := s.fails("write"); err != nil {
		return letterRef{}, err
	}
	s.version++
	at := s.now().Truncate(time.Second)
	if old, known := s.stored[l.name]; known {
		at = old.ref.at
	}
	ref := letterRef{name: l.name, sink: l.sink, version: fmt.Sprint(s.version), bytes: len(l.data), at: at}
	s.stored[l.name] = fakeLetter{letter: l, ref: ref}
	return ref, nil
}

func (s *fakeStore) burn(_ context.Context, ref letterRef) error {
	if err := s.fails("burn"); err != nil {
		return err
	}
	if l, known := s.stored[ref.name]; known && l.ref.version == ref.version {
		delete(s.stored, ref.name)
	}
	return nil
}

// fakeSink stands for a receiver. It keeps the keys that it was told, in order, each once.
type fakeSink struct {
	name  string
	wants func(*wire.Event) bool
	// answer to a delivery; took tells whether what was delivered counts all the same.
	answer  func() (took bool, err error)
	keys    map[string]wire.Event
	order   []string
	batches [][]wire.Event
	last    map[string]int64 // sequence by object
	wrong   []string
	// tight: there is so little room for letters that they leave things out. An Operation that waits for another sink is told anew after a restart, and then what was left
	// out comes after the end.
	tight bool
}

func newFakeSink(name string) *fakeSink {
	return &fakeSink{
		name: name, wants: func(*wire.Event) bool { return true }, keys: map[string]wire.Event{}, last: map[string]int64{},
		answer: func() (took bool, err error) { return true, nil },
	}
}

func (s *fakeSink) Name() string             { return s.name }
func (s *fakeSink) Wants(e *wire.Event) bool { return s.wants(e) }

func (s *fakeSink) Deliver(_ context.Context, events []wire.Event) error {
	if len(events) == 0 || len(events) > MaxBatch {
		s.wrong = append(s.wrong, fmt.Sprintf("a batch of %d", len(events)))
	}
	took, err := s.answer()
	if !took {
		return err
	}
	s.batches = append(s.batches, slices.Clone(events))
	for _, e := range events {
		if !s.wants(&e) {
			s.wrong = append(s.wrong, "told what it does not want: "+e.EventKey)
		}
		if _, known := s.keys[e.EventKey]; known {
			continue
		}
		s.keys[e.EventKey] = e
		s.order = append(s.order, e.EventKey)
		of := path(e.ResourceRef)
		if e.Sequence < s.last[of] && !s.tight {
			s.wrong = append(s.wrong, fmt.Sprintf("%s with sequence %d after %d", e.EventKey, e.Sequence, s.last[of]))
		}
		s.last[of] = max(s.last[of], e.Sequence)
	}
	return err
}
