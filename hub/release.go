// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// workListKind is for reading the metadata of ManifestWorks only.
var workListKind = schema.GroupVersionKind{Group: workv1.GroupName, Version: workv1.GroupVersion.Version, Kind: "ManifestWorkList"}

// listPage is how many ManifestWorks are listed at once.
const listPage = 500

// release lets a deleted Operation go. Works of clusters that have ended are deleted and leave the spoke's record behind; the others are
// withdrawn, which cancels what they began. Clusters that can be reached get a moment to take note; one that cannot does not hold the
// Operation: its withdrawn work waits for it.
func (r *OperationReconciler) release(ctx context.Context, p *pass) error {
	if !controllerutil.ContainsFinalizer(p.op, opsv1alpha1.OperationFinalizer) {
		r.runs.forget(p.op.UID)
		return r.unhold(ctx, p)
	}
	works, err := r.liveWorks(ctx, p.op)
	if err != nil {
		return err
	}
	var errs []error
	left, err := inTurn(ctx, r, p, works, sweepTurn, func(ctx context.Context, w metav1.PartialObjectMetadata) error {
		return r.dropWork(ctx, p, w)
	}, func(w metav1.PartialObjectMetadata, err error) {
		errs = append(errs, fmt.Errorf("take back ManifestWork %s/%s: %w", w.Namespace, w.Name, err))
	})
	if err := errors.Join(append(errs, err)...); err != nil || left {
		return err
	}
	if p.now.Sub(p.op.DeletionTimestamp.Time) < releaseGrace {
		if waiting, err := r.anyReachable(ctx, p.op); err != nil || waiting {
			p.after(r.StatusInterval)
			return err
		}
	}
	r.runs.forget(p.op.UID)
	if err := r.dropFinalizer(ctx, p, opsv1alpha1.OperationFinalizer); err != nil {
		return err
	}
	return r.unhold(ctx, p)
}

// dropWork deletes the work of a cluster that has ended, and withdraws any other. The works of a run that has ended count as ended,
// except for those that were withdrawn: the reaper sees to them.
func (r *OperationReconciler) dropWork(ctx context.Context, p *pass, w metav1.PartialObjectMetadata) error {
	if !w.DeletionTimestamp.IsZero() {
		return nil
	}
	key := types.NamespacedName{Namespace: w.Namespace, Name: w.Name}
	work, err := find(ctx, r.Client, key, &workv1.ManifestWork{})
	if err != nil {
		return err
	}
	switch {
	case work != nil && isWithdrawn(work):
		return reap(ctx, r.Client, work)
	case p.run != nil && p.run.gaveUp(w.Namespace):
		return nil // just withdrawn: the cache does not show it yet
	case p.op.Status.Phase.Terminal() || (work != nil && resultOf(work).State.Terminal()):
		gone := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: w.Name}}
		return client.IgnoreNotFound(r.Delete(ctx, gone, client.Preconditions{UID: &w.UID}))
	default:
		return withdraw(ctx, r.Client, key)
	}
}

// liveWorks lists the works of an Operation past the cache, which may not have seen the latest: none may be left behind.
func (r *OperationReconciler) liveWorks(ctx context.Context, op *opsv1alpha1.Operation) ([]metav1.PartialObjectMetadata, error) {
	var works []metav1.PartialObjectMetadata
	for next := ""; ; {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(workListKind)
		err := r.Live.List(ctx, list, client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)}, client.Limit(listPage), client.Continue(next))
		if err != nil {
			return nil, fmt.Errorf("list ManifestWorks: %w", err)
		}
		works = append(works, list.Items...)
		if next = list.Continue; next == "" {
			return works, nil
		}
	}
}

// anyReachable tells whether a work that is not being deleted yet belongs to a cluster that can be expected to take note.
func (r *OperationReconciler) anyReachable(ctx context.Context, op *opsv1alpha1.Operation) (bool, error) {
	works, err := r.liveWorks(ctx, op)
	if err != nil {
		return false, err
	}
	for _, w := range works {
		if !w.DeletionTimestamp.IsZero() {
			continue
		}
		cluster, err := find(ctx, r.Client, types.NamespacedName{Name: w.Namespace}, &clusterv1.ManagedCluster{})
		if err != nil {
			return false, fmt.Errorf("read ManagedCluster %s: %w", w.Namespace, err)
		}
		if cluster != nil && meta.IsStatusConditionTrue(cluster.Status.Conditions, clusterv1.ManagedClusterConditionAvailable) {
			return true, nil
		}
	}
	return false, nil
}
