// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/telemetry"
)

// remindAtMost is how far apart reminders get: each comes after twice the time of the one before.
const remindAtMost = 30 * time.Minute

// reminder touches works that their agents leave alone. Open Cluster Management's agent may lose a change in its memory when that comes by gRPC while it reports
// (sdk-go issue 232). Then it neither does what it was told - a cancel, a deletion - nor is it listened to, as it reports of the old generation. A work that is
// touched is sent again. It is harmless for an agent that has lost nothing: it looks at the work once more.
type reminder struct {
	client.Client
	Options

	pace workqueue.TypedRateLimiter[types.NamespacedName]
	mu   sync.Mutex
	due  map[types.NamespacedName]due
}

// due is when a work is touched whose agent has not applied a generation until then.
type due struct {
	generation int64
	at         time.Time
}

func setupReminder(mgr ctrl.Manager, options Options) error {
	r := &reminder{
		Client: mgr.GetClient(), Options: options, due: map[types.NamespacedName]due{},
		pace: workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](options.RemindAfter, remindAtMost),
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("reminder").
		For(&workv1.ManifestWork{}, builder.WithPredicates(predicate.NewPredicateFuncs(func(o client.Object) bool {
			work, isWork := o.(*workv1.ManifestWork)
			return isWork && leftAlone(work)
		}))).
		Complete(r)
}

// leftAlone tells whether an agent that knows a work has not applied its last change. What has ended is not applied any more, but deleted all the same.
func leftAlone(work *workv1.ManifestWork) bool {
	if !controllerutil.ContainsFinalizer(work, workv1.ManifestWorkFinalizer) {
		return false
	}
	if !work.DeletionTimestamp.IsZero() {
		return true
	}
	if meta.IsStatusConditionTrue(work.Status.Conditions, workv1.WorkComplete) {
		return false
	}
	applied := meta.FindStatusCondition(work.Status.Conditions, workv1.WorkApplied)
	return applied != nil && applied.ObservedGeneration != work.Generation
}

// Reconcile implements reconcile.Reconciler.
func (r *reminder) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	work, err := find(ctx, r.Client, req.NamespacedName, &workv1.ManifestWork{})
	if err != nil {
		return ctrl.Result{}, err
	}
	if work == nil || !leftAlone(work) {
		r.forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if wait := r.wait(work); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	if heard, err := r.hears(ctx, work.Namespace); err != nil || !heard {
		return ctrl.Result{RequeueAfter: r.RemindAfter}, err
	}
	touch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, opsv1alpha1.AnnotationReminded, r.Clock.Now().UTC().Format(time.RFC3339Nano))
	err = r.Patch(briefly(ctx), work, client.RawPatch(types.MergePatchType, []byte(touch)))
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("remind cluster %s of ManifestWork %s: %w", work.Namespace, req.Name, err)
	}
	logf.FromContext(ctx).Info("the agent has not applied what the ManifestWork says now, and is sent it again", telemetry.KeyCluster, req.Namespace, "times", r.pace.NumRequeues(req.NamespacedName))
	return ctrl.Result{RequeueAfter: r.postpone(req.NamespacedName)}, nil
}

// wait is how long a work is not due yet. A change of it begins the time anew.
func (r *reminder) wait(work *workv1.ManifestWork) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := client.ObjectKeyFromObject(work)
	d, known := r.due[key]
	if !known || d.generation != work.Generation {
		r.pace.Forget(key)
		d = due{generation: work.Generation, at: r.Clock.Now().Add(r.pace.When(key))}
		r.due[key] = d
	}
	return d.at.Sub(r.Clock.Now())
}

// postpone the next reminder, and tell by how much.
func (r *reminder) postpone(key types.NamespacedName) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	by := r.pace.When(key)
	r.due[key] = due{generation: r.due[key].generation, at: r.Clock.Now().Add(by)}
	return by
}

func (r *reminder) forget(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pace.Forget(key)
	delete(r.due, key)
}

// hears tells whether an agent can be reached: one that cannot is sent everything when it comes back.
func (r *reminder) hears(ctx context.Context, cluster string) (bool, error) {
	managed, err := find(ctx, r.Client, types.NamespacedName{Name: cluster}, &clusterv1.ManagedCluster{})
	if err != nil {
		return false, fmt.Errorf("read ManagedCluster %s: %w", cluster, err)
	}
	return managed != nil && meta.IsStatusConditionTrue(managed.Status.Conditions, clusterv1.ManagedClusterConditionAvailable), nil
}
