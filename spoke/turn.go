// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// With spec.selector.maxConcurrency all children of an Operation exist from the start, as without, and no more than so many of them are at work: have passed
// the fence and have not ended. Whoever is ready to start asks for a turn last of all, so that one that waits for something else is in nobody's way. What
// is at work is asked of the API server, while no other child of the same parent can start; a crash between loses nothing, as nothing is kept in memory.

// expandedFrom is the Operation on this cluster that a child was expanded from; nil when it is gone, or when the Operation is no child.
func expandedFrom(ctx context.Context, r client.Reader, op *opsv1alpha1.Operation) (*opsv1alpha1.Operation, error) {
	uid := op.Labels[opsv1alpha1.LabelParent]
	namespace, name, ok := strings.Cut(op.Annotations[opsv1alpha1.AnnotationOrigin], "/")
	if uid == "" || !ok || namespace == "" || name == "" {
		return nil, nil
	}
	var parent opsv1alpha1.Operation
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &parent); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("read Operation %s/%s, which this one was expanded from: %w", namespace, name, err)
	}
	// A parent of another UID is not the parent: what the hub delivers has one too, on the hub.
	if string(parent.UID) != uid {
		return nil, nil
	}
	return &parent, nil
}

// maxConcurrency of an Operation that is expanded; 0 is no bound.
func maxConcurrency(parent *opsv1alpha1.Operation) int32 {
	if parent == nil || parent.Spec.Selector == nil || parent.Spec.Selector.MaxConcurrency == nil {
		return 0
	}
	return *parent.Spec.Selector.MaxConcurrency
}

// atWork counts those that have passed the fence and have not ended.
func atWork(children []opsv1alpha1.Operation) int32 {
	var n int32
	for i := range children {
		if children[i].Status.Phase == opsv1alpha1.PhaseRunning {
			n++
		}
	}
	return n
}

// parked is why a child that has been found ready before waits on for its turn, as far as the cache knows: there may be many, and none of them is looked at
// any closer until one has ended.
func (v *visit) parked(ctx context.Context) (*blocker, error) {
	if v.op.Status.Reason != opsv1alpha1.ReasonAwaitingTurn {
		return nil, nil
	}
	parent, err := expandedFrom(ctx, v, v.op)
	if err != nil || maxConcurrency(parent) == 0 {
		return nil, err
	}
	var siblings opsv1alpha1.OperationList
	if err := v.List(ctx, &siblings, client.MatchingFields{indexParent: string(parent.UID)}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("look up the other Operations of %s/%s: %w", parent.Namespace, parent.Name, err)
	}
	return awaitsTurn(parent, siblings.Items), nil
}

// inTurn lets a child start, unless as many as may are at work.
func (r *operationReconciler) inTurn(ctx context.Context, v *visit, start func() error) (*blocker, error) {
	parent, err := expandedFrom(ctx, v.live, v.op)
	if err != nil {
		return nil, err
	}
	if maxConcurrency(parent) == 0 {
		return nil, start()
	}
	unlock := r.locks.lock(targetKey{v.name, types.NamespacedName{Name: string(parent.UID)}})
	defer unlock()
	var siblings opsv1alpha1.OperationList
	if err := v.live.List(ctx, &siblings, client.MatchingLabels{opsv1alpha1.LabelParent: string(parent.UID)}); err != nil {
		return nil, fmt.Errorf("list the other Operations of %s/%s: %w", parent.Namespace, parent.Name, err)
	}
	if b := awaitsTurn(parent, siblings.Items); b != nil {
		return b, nil
	}
	return nil, start()
}

// awaitsTurn says that as many as may are at work; nothing when there is room. The words stay the same while others come and go.
func awaitsTurn(parent *opsv1alpha1.Operation, siblings []opsv1alpha1.Operation) *blocker {
	most := maxConcurrency(parent)
	if atWork(siblings) < most {
		return nil
	}
	return blocked(opsv1alpha1.ReasonAwaitingTurn, "spec.selector.maxConcurrency of Operation %s/%s lets %s be at work at a time, and others go first; "+
		"this one starts by itself when one of them has ended", parent.Namespace, parent.Name, plural(most, "instance"))
}

// nextInTurn are those children that may start now that one of their number does not, or does not yet: the first that wait for their turn, in the order of
// their instances, as many as there is room for. The others look again by themselves, in case one of these does not get far enough to tell.
func nextInTurn(ctx context.Context, c client.Client, op *opsv1alpha1.Operation) []client.ObjectKey {
	if !op.Status.Phase.Terminal() && (!op.Status.Blocked || op.Status.Reason == opsv1alpha1.ReasonAwaitingTurn) {
		return nil
	}
	parent, err := expandedFrom(ctx, c, op)
	if err != nil || maxConcurrency(parent) == 0 {
		return nil // what cannot be read from the cache now is read when they look by themselves
	}
	var list opsv1alpha1.OperationList
	if err := c.List(ctx, &list, client.MatchingFields{indexParent: string(parent.UID)}, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "cannot look up Operations in the cache")
		return nil
	}
	room := maxConcurrency(parent) - atWork(list.Items)
	slices.SortFunc(list.Items, byInstance)
	var keys []client.ObjectKey
	for i := range list.Items {
		if o := &list.Items[i]; int32(len(keys)) < room && o.Status.Phase == opsv1alpha1.PhasePending && o.Status.Reason == opsv1alpha1.ReasonAwaitingTurn {
			keys = append(keys, client.ObjectKeyFromObject(o))
		}
	}
	return keys
}
