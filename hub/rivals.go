// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// rivals hold those of the clusters of a run on which another fleet Operation goes first: one of a type whose order matters, that may act on the same instances, began
// before, and has not ended there. As each waits for those that began before it and for nothing else, one is always first, and none waits for ever. That two are
// never at work on one instance at once is the agents' to see to; here it is seen to it that what began first is not what is left last.
func (r *OperationReconciler) rivals(ctx context.Context, p *pass, clusters []string) (func(cluster string) placement.Gate, error) {
	none := func(string) placement.Gate { return placement.Gate{} }
	list := &opsv1alpha1.OperationList{}
	if err := r.List(ctx, list, client.MatchingFields{indexRunning: indexRunning}, client.UnsafeDisableDeepCopy); err != nil {
		return none, fmt.Errorf("list Operations: %w", err)
	}
	free := sets.New(clusters...)
	first := map[string]*opsv1alpha1.Operation{} // by the cluster
	for _, rival := range r.before(p.op, list.Items) {
		if free.Len() == 0 {
			break
		}
		if met, err := r.meet(ctx, p.op, rival); err != nil || !met {
			if err != nil {
				return none, err
			}
			continue
		}
		atWork, err := r.unendedOn(ctx, rival)
		if err != nil {
			return none, err
		}
		for _, cluster := range atWork {
			if free.Has(cluster) {
				first[cluster] = rival
				free.Delete(cluster)
			}
		}
	}
	return func(cluster string) placement.Gate {
		rival := first[cluster]
		if rival == nil {
			return placement.Gate{}
		}
		return placement.Gate{
			Reason: opsv1alpha1.ReasonConflictingOperation,
			Message: fmt.Sprintf("%s %s/%s, which began before, goes first on cluster %s; cancel it to let it pass",
				rival.Spec.Type, rival.Namespace, rival.Name, cluster),
			Opens: p.now.Add(r.StatusInterval),
		}
	}, nil
}

// before are the runs of conflicting types that began before an Operation, in that order.
func (r *OperationReconciler) before(op *opsv1alpha1.Operation, running []opsv1alpha1.Operation) (before []*opsv1alpha1.Operation) {
	for i := range running {
		other := &running[i]
		if other.UID != op.UID && !other.Spec.DryRun && placement.InOrder(op.Spec.Type, other.Spec.Type) && byBeginning(other, op) < 0 {
			before = append(before, other)
		}
	}
	slices.SortFunc(before, byBeginning)
	return before
}

// byCreation orders Operations by when they were created. Whoever looks sees the same order.
func byCreation(a, b *opsv1alpha1.Operation) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
}

// byBeginning orders runs by when they were fenced. Whoever looks sees the same order.
func byBeginning(a, b *opsv1alpha1.Operation) int {
	at := func(op *opsv1alpha1.Operation) int64 {
		if op.Status.StartedAt == nil {
			return 1 << 62 // about to begin
		}
		return op.Status.StartedAt.Unix()
	}
	return cmp.Or(cmp.Compare(at(a), at(b)), byCreation(a, b))
}

// meet tells whether two Operations may act on the same instance of a cluster, as far as that can be told here.
func (r *OperationReconciler) meet(ctx context.Context, a, b *opsv1alpha1.Operation) (bool, error) {
	if !placement.Meet(*r.sentSpec(a, nil).Selector, *r.sentSpec(b, nil).Selector) {
		return false, nil
	}
	appsOfA, err := r.catalogIDs(ctx, a)
	if err != nil {
		return false, err
	}
	appsOfB, err := r.catalogIDs(ctx, b)
	return len(appsOfA) == 0 || len(appsOfB) == 0 || slices.ContainsFunc(appsOfA, func(id string) bool { return slices.Contains(appsOfB, id) }), err
}

// catalogIDs of the applications that an Operation's template is for; none when it is for all, or when each cluster finds its own.
func (r *OperationReconciler) catalogIDs(ctx context.Context, op *opsv1alpha1.Operation) ([]string, error) {
	if op.Status.Template == nil {
		return nil, nil
	}
	template, err := find(ctx, r.Client, types.NamespacedName{Name: op.Status.Template.Name}, &opsv1alpha1.OperationTemplate{})
	if err != nil {
		return nil, fmt.Errorf("read OperationTemplate %s: %w", op.Status.Template.Name, err)
	}
	if template == nil || template.Spec.TargetSelector == nil {
		return nil, nil
	}
	return template.Spec.TargetSelector.CatalogIDs, nil
}

// unendedOn are the clusters of a run that have not ended. A run that this process has not looked at yet is read first.
func (r *OperationReconciler) unendedOn(ctx context.Context, op *opsv1alpha1.Operation) ([]string, error) {
	other := r.newPass(op)
	if loaded, err := r.load(ctx, other); err != nil || !loaded {
		return nil, err // without its plan it fails, in a pass of its own
	}
	other.run.mu.Lock()
	defer other.run.mu.Unlock()
	return other.run.tally.Unended(), nil
}
