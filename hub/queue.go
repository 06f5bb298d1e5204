// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// superseded ends an Operation that waits, when a newer one of its concurrencyKey takes its place: one that supersedes, and that nothing keeps from beginning
// but those before it. Until then it may still be refused, and nobody is to make room for what is not allowed. It tells whether that is so.
func (r *OperationReconciler) superseded(ctx context.Context, p *pass) (bool, error) {
	if p.op.Spec.DryRun {
		return false, nil
	}
	others, err := r.sameKey(ctx, p.op)
	if err != nil {
		return false, err
	}
	for _, other := range slices.Backward(others) {
		if byCreation(other, p.op) > 0 && other.Spec.ConcurrencyPolicy == opsv1alpha1.ConcurrencySupersede &&
			other.Status.Blocked && other.Status.Reason == opsv1alpha1.ReasonConflictingOperation && !other.Spec.Cancel {
			p.transition().Cancel(opsv1alpha1.ReasonSupersededByOperation, fmt.Sprintf(
				"Operation %s of the same spec.concurrencyKey took its place before it had begun", other.Name))
			return true, nil
		}
	}
	return false, nil
}

// turn tells whether it is an Operation's turn among those of its concurrencyKey: none runs, and no older one waits. The status says otherwise which does.
func (r *OperationReconciler) turn(ctx context.Context, p *pass) (bool, error) {
	others, err := r.sameKey(ctx, p.op)
	if err != nil {
		return false, err
	}
	first := slices.IndexFunc(others, func(other *opsv1alpha1.Operation) bool {
		return other.Status.Phase == opsv1alpha1.PhaseRunning || byCreation(other, p.op) < 0
	})
	if first >= 0 {
		p.goesAfter(others[first].Name)
		return false, nil
	}
	if !r.turns.take(p.op) {
		p.after(r.StatusInterval) // the one that has it is not seen to run yet
		return false, nil
	}
	running, err := r.runsByNow(ctx, p.op)
	if err != nil || running == "" {
		return err == nil, err
	}
	p.goesAfter(running)
	return false, nil
}

// goesAfter says that another Operation of the same concurrencyKey goes first.
func (p *pass) goesAfter(first string) {
	p.blockedBy(placement.Gate{Reason: opsv1alpha1.ReasonConflictingOperation, Opens: p.now.Add(queueAgain), Message: fmt.Sprintf(
		"Operation %s of the same spec.concurrencyKey goes first; cancel it to let it pass", first)})
}

// runsByNow is the name of an Operation of the same concurrencyKey that runs by what the API server says, or empty. A hub that has just come up may have a cache of
// the time before that one began.
func (r *OperationReconciler) runsByNow(ctx context.Context, op *opsv1alpha1.Operation) (string, error) {
	if op.Spec.ConcurrencyKey == "" {
		return "", nil
	}
	for next := ""; ; {
		list := &opsv1alpha1.OperationList{}
		if err := r.Live.List(ctx, list, client.InNamespace(op.Namespace), client.Limit(listPage), client.Continue(next)); err != nil {
			return "", fmt.Errorf("list the Operations of concurrencyKey %s: %w", op.Spec.ConcurrencyKey, err)
		}
		for i := range list.Items {
			other := &list.Items[i]
			if other.UID != op.UID && other.Spec.ConcurrencyKey == op.Spec.ConcurrencyKey && !other.Spec.DryRun && other.Status.Phase == opsv1alpha1.PhaseRunning && !belongsToSpoke(other) {
				return other.Name, nil
			}
		}
		if next = list.Continue; next == "" {
			return "", nil
		}
	}
}

// turns are the Operations whose turn has come, by their concurrencyKey, until the cache shows that they run: two that begin at the same time do not see each
// other there.
type turns struct {
	mu    sync.Mutex
	taken map[string]types.UID
}

func keyOf(op *opsv1alpha1.Operation) string { return op.Namespace + "/" + op.Spec.ConcurrencyKey }

// take the turn, unless another one has it.
func (t *turns) take(op *opsv1alpha1.Operation) bool {
	if op.Spec.ConcurrencyKey == "" {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken == nil {
		t.taken = map[string]types.UID{}
	}
	if by, taken := t.taken[keyOf(op)]; taken && by != op.UID {
		return false
	}
	t.taken[keyOf(op)] = op.UID
	return true
}

// giveBack the turn, if it is the Operation's.
func (t *turns) giveBack(op *opsv1alpha1.Operation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken[keyOf(op)] == op.UID {
		delete(t.taken, keyOf(op))
	}
}

// sameKey are the other Operations of a concurrencyKey that have not ended, the oldest first; but for dry runs, which wait for nobody.
func (r *OperationReconciler) sameKey(ctx context.Context, op *opsv1alpha1.Operation) (others []*opsv1alpha1.Operation, err error) {
	key := op.Spec.ConcurrencyKey
	if key == "" {
		return nil, nil
	}
	list := &opsv1alpha1.OperationList{}
	if err := r.List(ctx, list, client.InNamespace(op.Namespace), client.MatchingFields{indexKey: key}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the Operations of concurrencyKey %s: %w", key, err)
	}
	for i := range list.Items {
		other := &list.Items[i]
		leaves := !other.DeletionTimestamp.IsZero() && other.Status.Phase != opsv1alpha1.PhaseRunning
		if other.UID != op.UID && !other.Spec.DryRun && !leaves {
			others = append(others, other)
		}
	}
	slices.SortFunc(others, byCreation)
	return others, nil
}

// ofKey finds the Operations of the same concurrencyKey that wait, when one has come or ended.
func (r *OperationReconciler) ofKey() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) (requests []ctrl.Request) {
		op, isOperation := o.(*opsv1alpha1.Operation)
		if !isOperation || op.Spec.ConcurrencyKey == "" {
			return nil
		}
		list := &opsv1alpha1.OperationList{}
		err := r.List(ctx, list, client.InNamespace(op.Namespace), client.MatchingFields{indexKey: op.Spec.ConcurrencyKey}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil // the cache has stopped: so has everything else
		}
		for i := range list.Items {
			if other := &list.Items[i]; other.UID != op.UID && other.Status.Phase != opsv1alpha1.PhaseRunning {
				requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(other)})
			}
		}
		return requests
	})
}
