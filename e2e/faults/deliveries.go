// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// deliveries are the ManifestWorks of Operations that a hub has sent, by cluster, in the order in which they were made. A cluster is told again of the same
// Operation when another attempt was asked for, when the one before has ended or was taken back, and when that had not succeeded; and never of one that is over.
type deliveries struct {
	of    map[string][]*delivery
	asked map[types.UID]wanted
	early []string // what was told again too soon, or for nothing
}

// delivery of an Operation to a cluster.
type delivery struct {
	operation types.UID
	name, uid string
	// over is set when it has ended, was taken back, or is gone; well when it has succeeded.
	over, well bool
}

// wanted is an Operation, and the last attempt that was asked for.
type wanted struct {
	name    string
	attempt int64
}

func newDeliveries() deliveries {
	return deliveries{of: map[string][]*delivery{}, asked: map[types.UID]wanted{}}
}

// see a change on the hub.
func (d *deliveries) see(c Change) {
	switch o := c.Object; {
	case o.GetKind() == "Operation":
		attempt, _, _ := unstructured.NestedInt64(o.Object, "spec", "retry", "attempt")
		d.asked[o.GetUID()] = wanted{o.GetName(), max(attempt, d.asked[o.GetUID()].attempt)}
	case o.GetKind() == "ManifestWork" && o.GetLabels()[opsv1alpha1.LabelOperation] != "":
		d.note(c)
	}
}

// note a ManifestWork.
func (d *deliveries) note(c Change) {
	cluster, uid := c.Object.GetNamespace(), string(c.Object.GetUID())
	i := slices.IndexFunc(d.of[cluster], func(known *delivery) bool { return known.uid == uid })
	if i < 0 {
		i = len(d.of[cluster])
		fresh := &delivery{operation: types.UID(c.Object.GetLabels()[opsv1alpha1.LabelOperation]), name: c.Object.GetName(), uid: uid}
		for _, before := range d.of[cluster] {
			switch {
			case before.operation != fresh.operation || before.name == fresh.name: // twice the same is for oneOfAKind
			case !before.over:
				d.early = append(d.early, fmt.Sprintf("%s is told %s while %s is at work there", cluster, fresh.name, before.name))
			case before.well:
				d.early = append(d.early, fmt.Sprintf("%s is told %s and had succeeded in %s", cluster, fresh.name, before.name))
			}
		}
		d.of[cluster] = append(d.of[cluster], fresh)
	}
	known := d.of[cluster][i]
	known.over = known.over || c.Type == watch.Deleted || complete(c.Object) || text(c.Object, "spec", "deleteOption", "propagationPolicy") == "Foreground"
	known.well = known.well || reported(c.Object) == opsv1alpha1.PhaseSucceeded
}

// wrong are the laws that were broken. Which attempts were asked for may be known later than what was sent for them.
func (d *deliveries) wrong() []string {
	wrong := slices.Clone(d.early)
	for _, cluster := range slices.Sorted(maps.Keys(d.of)) {
		last := map[types.UID]int{} // attempts, from 1 on
		known := map[string]bool{}
		for _, one := range d.of[cluster] {
			if known[one.name] {
				continue // for oneOfAKind
			}
			known[one.name] = true
			at := d.attempt(one, last[one.operation])
			if at <= last[one.operation] {
				wrong = append(wrong, fmt.Sprintf("%s is told %s of %s, which is no attempt that was asked for and is still to come", cluster, one.name, one.operation))
			}
			last[one.operation] = max(at, last[one.operation])
		}
	}
	return wrong
}

// attempt that a delivery is, by its name, the first being 1; 0 when it is none that was asked for. Of an Operation that nobody has seen it is the one after the
// last, if that is the first.
func (d *deliveries) attempt(one *delivery, last int) int {
	op, known := d.asked[one.operation]
	switch {
	case !known && last == 0, known && one.name == opsv1alpha1.RunName(op.name, one.operation):
		return 1
	}
	for n := range op.attempt {
		if one.name == opsv1alpha1.RunName(op.name, one.operation, "retry", strconv.FormatInt(n+1, 10)) {
			return int(n) + 2
		}
	}
	return 0
}

func (d *deliveries) forget() {
	clear(d.of)
	clear(d.asked)
}

// complete tells whether a work agent has done all that a ManifestWork says.
func complete(work *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(work.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		condition, ok := c.(map[string]any)
		return ok && condition["type"] == "Complete" && condition["status"] == "True"
	})
}

// reported is the phase that a work agent has fed back; empty when there is none.
func reported(work *unstructured.Unstructured) opsv1alpha1.OperationPhase {
	manifests, _, _ := unstructured.NestedSlice(work.Object, "status", "resourceStatus", "manifests")
	for _, m := range manifests {
		manifest, ok := m.(map[string]any)
		if !ok {
			continue
		}
		values, _, _ := unstructured.NestedSlice(manifest, "statusFeedback", "values")
		for _, v := range values {
			if value, ok := v.(map[string]any); ok && value["name"] == "phase" {
				phase, _, _ := unstructured.NestedString(value, "fieldValue", "string")
				return opsv1alpha1.OperationPhase(phase)
			}
		}
	}
	return ""
}

// worksOf an Operation that a cluster was sent, by their UIDs, in order.
func (w *Witness) worksOf(operation types.UID, cluster string) (uids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.sent.of[cluster] {
		if one.operation == operation {
			uids = append(uids, one.uid)
		}
	}
	return uids
}

// worksIn a cluster, by their UIDs, in order.
func (w *Witness) worksIn(cluster string) (uids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.sent.of[cluster] {
		uids = append(uids, one.uid)
	}
	return uids
}
