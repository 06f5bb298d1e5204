// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Taking back what was sent has two steps, because of how Open Cluster Management's work agent (v1.2.1) works: it makes the work the
// owner of the delivered object when it *applies* a work with Foreground, and it applies nothing of a work that is being deleted. A
// work that was created with Orphan, changed to Foreground and deleted at once would leave an Operation behind that nobody owns, and
// that runs when an agent comes up for it at last.
//
//	withdraw   Foreground, and spec.cancel in the Operation: whoever sees the work from now on is told to stop
//	reap       delete the work once its agent has applied that, or has never seen the work at all
//
// A withdrawn work says so itself (a run's works are Orphan otherwise), so that it is reaped when its cluster comes back: after a
// restart of the hub, and also when its Operation is long gone.

// withdrawal is the JSON patch of the first step. Repeating it changes nothing.
const withdrawal = `[{"op":"add","path":"/spec/deleteOption","value":{"propagationPolicy":"Foreground"}},` + setCancel + `]`

// isWithdrawn tells whether a work of an Operation was withdrawn.
func isWithdrawn(work *workv1.ManifestWork) bool {
	return work.Labels[opsv1alpha1.LabelOperation] != "" &&
		work.Spec.DeleteOption != nil && work.Spec.DeleteOption.PropagationPolicy == workv1.DeletePropagationPolicyTypeForeground
}

// reapable tells whether deleting a withdrawn work leaves nothing behind on its cluster.
func reapable(work *workv1.ManifestWork) bool {
	// The agent puts its finalizer on before it applies anything.
	if !controllerutil.ContainsFinalizer(work, workv1.ManifestWorkFinalizer) {
		return true
	}
	// A run that ended in the meantime is not applied any more. Its record stays on the cluster, as that of any other.
	if meta.IsStatusConditionTrue(work.Status.Conditions, workv1.WorkComplete) {
		return true
	}
	c := meta.FindStatusCondition(work.Status.Conditions, workv1.WorkApplied)
	if c == nil || c.ObservedGeneration != work.Generation {
		return false
	}
	// What cannot be applied now may have been before; then the agent will see to it that it can be deleted.
	return c.Status == metav1.ConditionTrue || !meta.IsStatusConditionTrue(work.Status.Conditions, workv1.WorkAvailable)
}

// withdraw takes a ManifestWork back, as far as that can be done now.
func withdraw(ctx context.Context, c client.Client, key types.NamespacedName) error {
	work := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if err := c.Patch(ctx, work, client.RawPatch(types.JSONPatchType, []byte(withdrawal))); err != nil {
		return client.IgnoreNotFound(err)
	}
	return reap(ctx, c, work)
}

// reap deletes a withdrawn work if that leaves nothing behind, and if nothing has changed since it was read.
func reap(ctx context.Context, c client.Client, work *workv1.ManifestWork) error {
	if !work.DeletionTimestamp.IsZero() || !reapable(work) {
		return nil
	}
	err := c.Delete(ctx, work, client.Preconditions{UID: &work.UID, ResourceVersion: &work.ResourceVersion})
	if apierrors.IsConflict(err) {
		return nil // it changed; the change brings the reaper back
	}
	return client.IgnoreNotFound(err)
}

// setupReaper starts the controller that deletes withdrawn works when they can be.
func setupReaper(mgr ctrl.Manager) error {
	ripe := predicate.NewPredicateFuncs(func(o client.Object) bool {
		work, isWork := o.(*workv1.ManifestWork)
		return isWork && isWithdrawn(work) && work.DeletionTimestamp.IsZero() && reapable(work)
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("withdrawal").
		For(&workv1.ManifestWork{}, builder.WithPredicates(ripe)).
		Complete(reconcile.Func(func(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
			work, err := find(ctx, mgr.GetClient(), req.NamespacedName, &workv1.ManifestWork{})
			if err != nil || work == nil || !isWithdrawn(work) {
				return ctrl.Result{}, err
			}
			return ctrl.Result{}, reap(ctx, mgr.GetClient(), work)
		}))
}

// withdrawKept withdraws the works of clusters that the hub gave up, once their results are stored: the other way round, a hub that is
// killed in between would not know what had become of them. It does all of them in one pass: an ended run's works are deleted next, and one that was not
// withdrawn before would leave behind what it began.
func (r *OperationReconciler) withdrawKept(ctx context.Context, p *pass) error {
	var errs []error
	_, err := inTurn(ctx, r, p, p.run.toWithdraw(), untilDone, func(ctx context.Context, cluster string) error {
		if err := withdraw(ctx, r.Client, p.run.workOf(cluster)); err != nil {
			return err
		}
		p.run.mu.Lock()
		p.run.withdrawn[cluster] = true
		p.run.mu.Unlock()
		return nil
	}, func(cluster string, err error) {
		errs = append(errs, fmt.Errorf("withdraw the ManifestWork of cluster %s: %w", cluster, err))
	})
	return errors.Join(append(errs, err)...)
}

// toWithdraw are the clusters whose works are to be withdrawn and whose results are stored.
func (r *run) toWithdraw() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var clusters []string
	for i, kept := range r.kept {
		results, final, _ := r.tally.Chunk(i)
		if final != kept.final {
			continue
		}
		for _, result := range results {
			if result.Withdrawn && !r.withdrawn[result.Cluster] {
				clusters = append(clusters, result.Cluster)
			}
		}
	}
	return clusters
}

// gaveUp tells whether the work of a cluster was withdrawn.
func (r *run) gaveUp(cluster string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.withdrawn[cluster]
}
