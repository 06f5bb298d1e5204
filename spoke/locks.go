// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// rival is the Operation that op has to wait for among others on the same target, or nil.
//
// What runs goes first; then the order is creation time and UID, the same whoever looks, so that of any number of waiting Operations one is
// always first and waiting never deadlocks. An Operation that is blocked by something else is not in the queue: an Upgrade does not wait
// for a Backup that waits for an approval nobody gives.
func rival(op *opsv1alpha1.Operation, others []opsv1alpha1.Operation) *opsv1alpha1.Operation {
	var first *opsv1alpha1.Operation
	for i := range others {
		o := &others[i]
		if o.UID == op.UID || !competes(op, o) {
			continue
		}
		if o.Status.Phase == opsv1alpha1.PhaseRunning {
			return o
		}
		if older(o, op) && (first == nil || older(o, first)) {
			first = o
		}
	}
	return first
}

// queued are reasons to wait for which an Operation keeps its place before younger ones: nothing but its turn, or the moment, is awaited.
var queued = []string{
	opsv1alpha1.ReasonConflictingOperation, opsv1alpha1.ReasonAwaitingTurn, opsv1alpha1.ReasonClusterBusy, opsv1alpha1.ReasonFrozen,
}

func competes(op, o *opsv1alpha1.Operation) bool {
	switch {
	case o.Spec.TargetRef == nil || op.Spec.TargetRef == nil || o.Spec.TargetRef.Name != op.Spec.TargetRef.Name,
		o.Spec.Placement != nil,
		o.Status.Phase.Terminal(),
		!apart(op, o):
		return false
	case o.Status.Phase == opsv1alpha1.PhaseRunning:
		return true
	case o.Spec.Cancel || o.Spec.DryRun || !o.DeletionTimestamp.IsZero():
		return false
	}
	return !o.Status.Blocked || slices.Contains(queued, o.Status.Reason)
}

// apart tells whether two never run beside each other. Of two that quiesce, whoever ended first would wake the application up under the other.
func apart(op, o *opsv1alpha1.Operation) bool {
	return placement.Conflict(op.Spec.Type, o.Spec.Type) || quiesces(op) && quiesces(o) || alone(op) || alone(o)
}

// alone tells whether the template of an Operation lets nothing run beside it.
func alone(op *opsv1alpha1.Operation) bool {
	return op.Status.Template != nil && op.Status.Template.Exclusive
}

func older(a, b *opsv1alpha1.Operation) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.UID < b.UID
}

// targetLocks serialise the last look at the rivals and the fence, per target. Without them two Operations could each see the other before
// its fence and both start. They hold within one process; only the elected leader starts anything.
type targetLocks struct {
	mu    sync.Mutex
	taken map[targetKey]*targetLock
}

type targetKey struct {
	cluster string
	// target, or a name in no namespace: the UID of an Operation whose children take turns.
	target types.NamespacedName
}

type targetLock struct {
	sync.Mutex
	users int
}

func newTargetLocks() *targetLocks { return &targetLocks{taken: map[targetKey]*targetLock{}} }

// lock waits for the target and returns what gives it back.
func (t *targetLocks) lock(key targetKey) (unlock func()) {
	t.mu.Lock()
	l := t.taken[key]
	if l == nil {
		l = &targetLock{}
		t.taken[key] = l
	}
	l.users++
	t.mu.Unlock()

	l.Lock()
	return func() {
		l.Unlock()
		t.mu.Lock()
		defer t.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(t.taken, key)
		}
	}
}
