// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"hash/fnv"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// told is a condition of an ApplicationInstance as it was told: digests of its type, and of all of it.
type told struct{ kind, whole uint32 }

func toldOf(c metav1.Condition) told {
	return told{kind: digest(metav1.Condition{Type: c.Type}), whole: digest(c)}
}

// instance tells which conditions of an ApplicationInstance changed, and whether all was taken. There is no history of them: what changed twice since it was told is told as
// it is now.
func (c *cursor) instance(ai *appsv1alpha1.ApplicationInstance, take taker) bool {
	more := c.detailed()
	more.conditions = slices.Clone(more.conditions)
	c.more = &more
	for _, condition := range ai.Status.Conditions {
		now := toldOf(condition)
		at := slices.IndexFunc(more.conditions, func(t told) bool { return t.kind == now.kind })
		if at >= 0 && more.conditions[at] == now {
			continue
		}
		e := instanceEvent(ai, conditionKey(path(instanceRef(ai)), condition))
		e.Timestamp, e.Conditions = condition.LastTransitionTime.UTC(), []metav1.Condition{condition}
		if !take(e) {
			return false
		}
		if at < 0 {
			more.conditions = append(more.conditions, now)
		} else {
			more.conditions[at] = now
		}
	}
	return true
}

// shown takes note that all conditions of an ApplicationInstance were told at once.
func (c *cursor) shown(ai *appsv1alpha1.ApplicationInstance) {
	conditions := make([]told, len(ai.Status.Conditions))
	for i, condition := range ai.Status.Conditions {
		conditions[i] = toldOf(condition)
	}
	c.more = &details{conditions: conditions}
}

// instanceSnapshot repeats how an ApplicationInstance stands.
func instanceSnapshot(ai *appsv1alpha1.ApplicationInstance) event {
	e := instanceEvent(ai, "snapshot/"+path(instanceRef(ai))+"#"+strconv.FormatInt(sequenceOf(ai), 10)+"."+stateDigest(ai.Status.Conditions))
	e.Timestamp, e.Conditions, e.Snapshot = changedAt(ai.Status.Conditions, ai.CreationTimestamp.Time).UTC(), ai.Status.Conditions, true
	return e
}

func instanceEvent(ai *appsv1alpha1.ApplicationInstance, eventKey string) event {
	return event{EventKey: eventKey, Kind: wire.EventCondition, ResourceRef: instanceRef(ai), Sequence: sequenceOf(ai), Cluster: clusterOf(ai)}
}

// sequenceOf an ApplicationInstance is its resource version, which the API server only ever raises.
func sequenceOf(ai *appsv1alpha1.ApplicationInstance) int64 {
	n, err := strconv.ParseInt(ai.ResourceVersion, 10, 64)
	if err != nil {
		return ai.Generation // another store than etcd: it still never falls
	}
	return n
}

// stateDigest of all conditions of an object.
func stateDigest(conditions []metav1.Condition) string {
	h := fnv.New64a()
	for _, c := range conditions {
		_, _ = h.Write(strconv.AppendUint(nil, uint64(digest(c)), 16))
	}
	return strconv.FormatUint(h.Sum64(), 16)
}
