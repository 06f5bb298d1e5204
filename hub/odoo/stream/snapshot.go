// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// fillSnapshot with how everything stands that there is nothing else to tell of. What there is comes after it.
func (o *outlet) fillSnapshot(ctx context.Context, b *batch) error {
	o.mu.Lock()
	anew := o.anew
	o.anew = false
	o.mu.Unlock()
	if anew {
		all, err := o.store.all(ctx)
		if err != nil {
			o.mu.Lock()
			o.anew = true
			o.mu.Unlock()
			return err
		}
		o.todo = all
	}
	n := 0
	var wrong error
	for ; n < len(o.todo) && wrong == nil; n++ {
		all, err := o.fillStanding(ctx, b, o.todo[n])
		if !all || err != nil {
			wrong = err
			break
		}
	}
	b.done(func() {
		if o.anew {
			return // it was asked for again meanwhile
		}
		if o.todo = o.todo[n:]; len(o.todo) == 0 {
			o.todo, o.snapshot, o.state.Resynced = nil, false, true
		}
	})
	return wrong
}

// fillStanding with how one object stands; false when there is no room for it.
func (o *outlet) fillStanding(ctx context.Context, b *batch, k key) (bool, error) {
	if k.kind == kindInstance {
		return o.fillStandingInstance(ctx, b, k)
	}
	v, err := o.viewOf(ctx, k)
	if err != nil || v.Operation == nil || len(v.Status.Conditions) == 0 || !v.DeletionTimestamp.IsZero() {
		return true, err
	}
	c := o.cursorOf(k)
	if c.uid != v.UID && (!v.Status.Phase.Terminal() || v.held()) {
		return true, nil // all of it is to be told
	}
	if c.uid == v.UID && (c.lettered || !c.quiet(v)) {
		return true, nil
	}
	return b.take(snapshotOf(v)), nil
}

func (o *outlet) fillStandingInstance(ctx context.Context, b *batch, k key) (bool, error) {
	ai, err := o.store.instance(ctx, k)
	if err != nil || ai == nil || len(ai.Status.Conditions) == 0 {
		return true, err
	}
	c := o.cursorOf(k)
	if c.uid == ai.UID && !c.instance(ai, func(event) bool { return false }) {
		return true, nil
	}
	if !b.take(instanceSnapshot(ai)) {
		return false, nil
	}
	c = cursor{uid: ai.UID}
	c.shown(ai)
	b.done(func() { o.cursors[k] = c })
	return true, nil
}

// fillLetter with what is in the first letter that waits.
func (o *outlet) fillLetter(ctx context.Context, b *batch) error {
	if o.open != nil && o.at == len(o.open) {
		if err := o.store.burn(ctx, o.mails[0]); err != nil {
			return err
		}
		o.burnt(o.mails[0])
		o.mails, o.open, o.at = o.mails[1:], nil, 0
	}
	if len(o.mails) == 0 {
		if found, err := o.collect(ctx); err != nil || !found {
			return err
		}
	}
	if o.open == nil {
		events, err := o.store.open(ctx, o.mails[0])
		if err != nil {
			return err
		}
		if o.open, o.at = events, 0; o.open == nil {
			o.open = []event{} // it is gone, or cannot be read
		}
	}
	n := o.at
	for ; n < len(o.open) && b.take(o.open[n]); n++ {
		if err := o.letterEnds(ctx, b, o.open[n]); err != nil {
			return err
		}
	}
	b.done(func() { o.at = n })
	return nil
}

// letterEnds an Operation that may be there still, because the hub was stopped between the letter and its letting go: then nothing more is told of it.
func (o *outlet) letterEnds(ctx context.Context, b *batch, e event) error {
	if e.Kind != wire.EventDeleted || e.ResourceRef.Kind != "Operation" {
		return nil
	}
	k := key{kind: kindOperation, NamespacedName: types.NamespacedName{Namespace: e.ResourceRef.Namespace, Name: e.ResourceRef.Name}}
	op, err := o.store.operation(ctx, k)
	if err != nil || op == nil || string(op.UID) != e.ResourceRef.UID {
		return err
	}
	b.done(func() {
		o.cursors[k] = cursor{uid: op.UID, told: int32(count(&op.Status)), over: true, gone: true}
		o.told(k)
	})
	return nil
}

// collect the letters that wait, and tell whether there are any.
func (o *outlet) collect(ctx context.Context) (bool, error) {
	o.mu.Lock()
	o.mail = false // what is written from now on is looked for again
	o.mu.Unlock()
	all, err := o.store.letters(ctx)
	if err == nil {
		o.mails = nil
		for _, ref := range all {
			if ref.sink == o.sink.Name() {
				o.mails = append(o.mails, ref)
			}
		}
	}
	if err != nil || len(o.mails) > 0 {
		o.mu.Lock()
		o.mail = true
		o.mu.Unlock()
	}
	return len(o.mails) > 0, err
}
