// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// count of an Operation's transitions. One that ended before they were counted has those of its history.
func count(s *opsv1alpha1.OperationStatus) int64 { return max(s.Transitions, int64(len(s.History))) }

// transitions tells what happened to an Operation up to its end, and without it: its clusters' results come before that. It says how many transitions the
// history held no more, and whether all was taken.
func (c *cursor) transitions(v view, take taker) (dropped int64, all bool) {
	s := &v.Status
	first := int32(count(s)) - int32(len(s.History)) + 1
	if c.told > 0 && first > c.told+1 {
		dropped = int64(first - c.told - 1)
	}
	c.told = max(c.told, first-1)
	for _, t := range s.History[c.told-first+1:] {
		if t.Phase.Terminal() {
			break
		}
		if !take(v.transition(t, int64(c.told)+1)) {
			return dropped, false
		}
		c.told++
	}
	return dropped, c.aside(v, take)
}

// aside tells of conditions that change without a transition: what a run waits for while it runs, and that it is not entirely well.
func (c *cursor) aside(v view, take taker) bool {
	for _, of := range []struct {
		condition string
		told      *uint32
		known     bool // what there is of it is in the transitions
	}{
		{opsv1alpha1.ConditionBlocked, &c.blocked, v.Status.Phase != opsv1alpha1.PhaseRunning},
		{opsv1alpha1.ConditionDegraded, &c.degraded, false},
	} {
		now := meta.FindStatusCondition(v.Status.Conditions, of.condition)
		if now == nil || of.known || *of.told == digest(*now) || *of.told == 0 && now.Status == metav1.ConditionFalse {
			continue
		}
		e := v.event(conditionKey(path(operationRef(v.Operation)), *now), wire.EventCondition, now.LastTransitionTime.Time, int64(c.told))
		e.Conditions = []metav1.Condition{*now}
		if !take(e) {
			return false
		}
		*of.told = digest(*now)
	}
	return true
}

// end tells how an Operation ended, and that it is gone. It comes after all else that is told of it.
func (c *cursor) end(v view, take taker) bool {
	s := &v.Status
	if s.Phase.Terminal() && !c.over && len(s.History) > 0 {
		last := int32(count(s))
		if c.told < last && !take(v.transition(s.History[len(s.History)-1], int64(last))) {
			return false
		}
		c.told = last
	}
	c.over = s.Phase.Terminal()
	if !v.leaves() || c.gone {
		return true
	}
	e := v.event("deleted/"+path(operationRef(v.Operation)), wire.EventDeleted, v.DeletionTimestamp.Time, int64(c.told))
	if !take(e) {
		return false
	}
	c.gone = true
	return true
}

// transition is the event of a transition. Its key has the transition's number, which no other has.
func (v view) transition(t opsv1alpha1.Transition, number int64) event {
	condition := metav1.Condition{
		Type: conditionOf(t), Status: metav1.ConditionTrue, Reason: t.Reason, Message: t.Message, LastTransitionTime: t.Time, ObservedGeneration: v.Status.ObservedGeneration,
	}
	if number == count(&v.Status) && v.Status.Message != "" {
		condition.Message = v.Status.Message // which the history cuts
	}
	of := path(operationRef(v.Operation))
	e := v.event("condition/"+of+"/"+condition.Type+"/True#"+strconv.FormatInt(number, 10), wire.EventCondition, t.Time.Time, number)
	e.Conditions = []metav1.Condition{condition}
	return e
}

// conditionOf is the condition that a transition made True.
func conditionOf(t opsv1alpha1.Transition) string {
	switch {
	case t.Phase != opsv1alpha1.PhasePending:
		return string(t.Phase) // Running, Succeeded, Failed, Cancelled: conditions are named after the phases
	case t.Reason == opsv1alpha1.ReasonAdmissionPassed:
		return opsv1alpha1.ConditionAccepted
	default:
		return opsv1alpha1.ConditionBlocked
	}
}

// quiet tells whether there is nothing to tell of an Operation up to its end.
func (c cursor) quiet(v view) bool {
	none := func(event) bool { return false }
	dropped, all := c.transitions(v, none)
	return dropped == 0 && all && c.end(v, none)
}

// snapshotOf an Operation repeats how it stands.
func snapshotOf(v view) event {
	h := stateDigest(v.Status.Conditions)
	number := count(&v.Status)
	e := v.event("snapshot/"+path(operationRef(v.Operation))+"#"+strconv.FormatInt(number, 10)+"."+h, wire.EventCondition, changedAt(v.Status.Conditions, v.CreationTimestamp.Time), number)
	e.Conditions, e.Snapshot = v.Status.Conditions, true
	return e
}

// changedAt is when the last of some conditions changed, and not before the time given.
func changedAt(conditions []metav1.Condition, at time.Time) time.Time {
	for _, c := range conditions {
		if c.LastTransitionTime.After(at) {
			at = c.LastTransitionTime.Time
		}
	}
	return at
}
