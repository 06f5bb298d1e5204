// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/telemetry"
)

// InstanceReconciler delivers ApplicationInstances that carry the label cluster-id to their cluster, and mirrors their status.
type InstanceReconciler struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	Options
}

func setupInstances(mgr ctrl.Manager, options Options) error {
	r := &InstanceReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Options: options}
	ofInstance := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetLabels()[labelInstance] != "" })
	return ctrl.NewControllerManagedBy(mgr).
		Named("applicationinstance").
		WithOptions(controllerOptions(mgr, "applicationinstance", telemetry.KeyInstance)).
		For(&appsv1alpha1.ApplicationInstance{}, builder.WithPredicates(newsOfInstance())).
		Watches(&workv1.ManifestWork{}, handler.EnqueueRequestsFromMapFunc(originOf), builder.WithPredicates(ofInstance)).
		Watches(&clusterv1.ManagedCluster{}, handler.EnqueueRequestsFromMapFunc(r.instancesOn), builder.WithPredicates(comesOrGoes())).
		Complete(r)
}

// newsOfInstance lets through everything but writes of the status, which a pass made itself.
func newsOfInstance() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}, predicate.AnnotationChangedPredicate{},
		predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
			return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
		}})
}

// comesOrGoes lets through the beginning and the end of an object.
func comesOrGoes() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }}
}

func originOf(_ context.Context, o client.Object) []ctrl.Request {
	namespace, name, found := strings.Cut(o.GetAnnotations()[opsv1alpha1.AnnotationOrigin], "/")
	if !found {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
}

func (r *InstanceReconciler) instancesOn(ctx context.Context, o client.Object) []ctrl.Request {
	list := &appsv1alpha1.ApplicationInstanceList{}
	if err := r.List(ctx, list, client.MatchingLabels{appsv1alpha1.LabelClusterID: o.GetName()}); err != nil {
		return nil // the cache has stopped: so has everything else
	}
	requests := make([]ctrl.Request, len(list.Items))
	for i := range list.Items {
		requests[i].NamespacedName = types.NamespacedName{Namespace: list.Items[i].Namespace, Name: list.Items[i].Name}
	}
	return requests
}

// Reconcile implements reconcile.Reconciler.
func (r *InstanceReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	stored, err := find(ctx, r.Client, req.NamespacedName, &appsv1alpha1.ApplicationInstance{})
	if err != nil || stored == nil {
		return ctrl.Result{}, err
	}
	if stored.Status.Cluster == "" && stored.Labels[appsv1alpha1.LabelClusterID] == "" {
		return ctrl.Result{}, nil // nobody asked for it to be delivered
	}
	ai := stored.DeepCopy()
	if !ai.DeletionTimestamp.IsZero() {
		err = r.remove(ctx, ai)
	} else {
		err = r.bring(ctx, ai)
	}
	err = errors.Join(err, r.writeStatus(ctx, ai, stored))
	if onlyConflict(err) {
		return ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
	}
	return ctrl.Result{}, err
}

// writeStatus writes the status when it differs.
func (r *InstanceReconciler) writeStatus(ctx context.Context, ai, stored *appsv1alpha1.ApplicationInstance) error {
	if ai.ResourceVersion != stored.ResourceVersion {
		// The instance itself was written in this pass; the status is compared with what the API server has now.
		stored = stored.DeepCopy()
		stored.ResourceVersion, stored.Finalizers = ai.ResourceVersion, ai.Finalizers
	}
	if equality.Semantic.DeepEqual(ai.Status, stored.Status) {
		return nil
	}
	ai.Status.LastReconcileTime = &metav1.Time{Time: r.Clock.Now().Truncate(time.Second)}
	patch := client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})
	return client.IgnoreNotFound(r.Status().Patch(ctx, ai, patch))
}

// bring delivers an instance to the cluster in its label, once and for all to that one.
func (r *InstanceReconciler) bring(ctx context.Context, ai *appsv1alpha1.ApplicationInstance) error {
	m := mirrored{ai: ai, now: r.Clock.Now()}
	label := ai.Labels[appsv1alpha1.LabelClusterID]
	if ai.Status.Cluster != "" && label != ai.Status.Cluster {
		m.block(appsv1alpha1.ReasonClusterChanged, fmt.Sprintf(
			"metadata.labels: %s was changed from %q to %q after delivery, and nothing was moved; set it back, or delete the instance and create it again",
			appsv1alpha1.LabelClusterID, ai.Status.Cluster, label))
		return nil
	}
	cluster, err := find(ctx, r.Client, types.NamespacedName{Name: label}, &clusterv1.ManagedCluster{})
	if err != nil {
		return fmt.Errorf("read ManagedCluster %s: %w", label, err)
	}
	if cluster == nil {
		message := fmt.Sprintf("metadata.labels: %s names %q, and there is no ManagedCluster of that name", appsv1alpha1.LabelClusterID, label)
		m.block(appsv1alpha1.ReasonClusterNotFound, message)
		m.ready(metav1.ConditionUnknown, appsv1alpha1.ReasonClusterNotFound, message)
		return nil
	}
	m.unblock()
	if err := r.claim(ctx, ai, label); err != nil {
		return err
	}
	work, err := r.send(ctx, ai)
	if err != nil {
		if !apierrors.IsConflict(err) { // somebody else wrote in between: the next pass sees it, and nothing is wrong
			m.ready(metav1.ConditionUnknown, appsv1alpha1.ReasonNotYetReported, "cannot write the ManifestWork: "+err.Error())
		}
		return err
	}
	mirror(ai, work, m.now)
	return nil
}

// claim writes down, before anything is sent, where the instance goes, and makes sure that it cannot disappear without being removed
// there.
func (r *InstanceReconciler) claim(ctx context.Context, ai *appsv1alpha1.ApplicationInstance, cluster string) error {
	if !controllerutil.ContainsFinalizer(ai, appsv1alpha1.ApplicationInstanceFinalizer) {
		status, before := ai.Status, ai.DeepCopy()
		controllerutil.AddFinalizer(ai, appsv1alpha1.ApplicationInstanceFinalizer)
		if err := r.Patch(ctx, ai, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return fmt.Errorf("add the finalizer: %w", err)
		}
		ai.Status = status
	}
	if ai.Status.Cluster != "" {
		return nil
	}
	status, before := ai.Status, ai.DeepCopy()
	status.Cluster = cluster
	ai.Status.Cluster = cluster
	if err := r.Status().Patch(ctx, ai, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("record the cluster: %w", err)
	}
	ai.Status = status
	return nil
}

// send makes the instance's ManifestWork what it should be, or the hub's instance what the spoke has made of it. It returns the work as
// the cache has it; nil when that is too old to be mirrored.
func (r *InstanceReconciler) send(ctx context.Context, ai *appsv1alpha1.ApplicationInstance) (*workv1.ManifestWork, error) {
	desired, err := instanceWork(ai, ai.Status.Cluster, r.AgentNamespace)
	if err != nil {
		return nil, err
	}
	key := client.ObjectKeyFromObject(desired)
	work, err := find(ctx, r.Client, key, &workv1.ManifestWork{})
	if err != nil {
		return nil, err
	}
	if work == nil {
		// A cache that lags behind may show an instance that was taken back and is gone, and nobody would take back what is made for it now.
		if err := r.confirm(ctx, ai); err != nil {
			return nil, err
		}
		err := r.Create(ctx, desired)
		if apierrors.IsAlreadyExists(err) {
			return nil, nil // the cache is behind; its event comes
		}
		return nil, err
	}
	if !work.DeletionTimestamp.IsZero() {
		return work, nil // somebody deleted it; when it is gone it is made again
	}
	want, sent := deliveryOf(desired), deliveryOf(work)
	taken := ai.Annotations[annotationTakenOver] == takenOver(want.Version, sent.Manifest)
	switch deliver(want, sent, taken, feedbackOf(work)) {
	case stepSend:
		return work, r.patchWork(ctx, work, desired, want)
	case stepNote:
		want.Manifest = sent.Manifest
		return work, r.patchWork(ctx, work, nil, want)
	case stepTake:
		return work, r.takeOver(ctx, ai, upgradedTo(want.Version, feedbackOf(work)), sent.Manifest)
	case stepNothing:
		return work, nil
	default:
		return work, nil
	}
}

// confirm fails with a conflict unless the instance is as it was read.
func (r *InstanceReconciler) confirm(ctx context.Context, ai *appsv1alpha1.ApplicationInstance) error {
	now, err := find(ctx, r.Live, client.ObjectKeyFromObject(ai), &appsv1alpha1.ApplicationInstance{})
	if err != nil {
		return fmt.Errorf("read ApplicationInstance %s/%s again: %w", ai.Namespace, ai.Name, err)
	}
	if now == nil || now.UID != ai.UID || now.ResourceVersion != ai.ResourceVersion {
		return apierrors.NewConflict(appsv1alpha1.GroupVersion.WithResource("applicationinstances").GroupResource(), ai.Name,
			errors.New("it has changed since it was read"))
	}
	return nil
}

// patchWork writes what is delivered, and with desired the manifest, if the work is still as it was read: a note made on a stale read would
// say that the spoke has an older manifest than it has, and the next report would be judged by that.
func (r *InstanceReconciler) patchWork(ctx context.Context, work, desired *workv1.ManifestWork, d delivery) error {
	change := map[string]any{"metadata": map[string]any{
		"resourceVersion": work.ResourceVersion,
		"annotations":     map[string]string{annotationDelivery: d.String()},
	}}
	if desired != nil {
		change["spec"] = desired.Spec
	}
	data, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("encode the ManifestWork: %w", err)
	}
	target := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: work.Namespace, Name: work.Name}}
	return r.Patch(ctx, target, client.RawPatch(types.MergePatchType, data))
}

// takeOver makes the version that the spoke runs the one that the hub wants, unless the hub's instance was written in the meantime.
func (r *InstanceReconciler) takeOver(ctx context.Context, ai *appsv1alpha1.ApplicationInstance, version string, manifest int64) error {
	status, before := ai.Status, ai.DeepCopy()
	ai.Spec.Chart.Version = version
	metav1.SetMetaDataAnnotation(&ai.ObjectMeta, annotationTakenOver, takenOver(version, manifest))
	if err := r.Patch(ctx, ai, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("take over version %s from the cluster: %w", version, err)
	}
	ai.Status = status
	return nil
}

// remove takes an instance back from its cluster and lets it go when it is gone there. A cluster that does not exist any more has
// nothing to give back.
func (r *InstanceReconciler) remove(ctx context.Context, ai *appsv1alpha1.ApplicationInstance) error {
	if !controllerutil.ContainsFinalizer(ai, appsv1alpha1.ApplicationInstanceFinalizer) {
		return nil
	}
	gone, err := r.takeBack(ctx, ai)
	if err != nil {
		return err
	}
	if !gone {
		m := mirrored{ai: ai, now: r.Clock.Now()}
		message := "waiting for cluster " + ai.Status.Cluster + " to remove the release"
		m.set(appsv1alpha1.ConditionDeleting, metav1.ConditionTrue, appsv1alpha1.ReasonDeleting, message)
		m.ready(metav1.ConditionFalse, appsv1alpha1.ReasonDeleting, message)
		return nil
	}
	before := ai.DeepCopy()
	controllerutil.RemoveFinalizer(ai, appsv1alpha1.ApplicationInstanceFinalizer)
	return client.IgnoreNotFound(r.Patch(ctx, ai, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})))
}

// takeBack deletes the ManifestWork and tells whether nothing of the instance is left to wait for.
func (r *InstanceReconciler) takeBack(ctx context.Context, ai *appsv1alpha1.ApplicationInstance) (bool, error) {
	if ai.Status.Cluster == "" {
		return true, nil
	}
	key := types.NamespacedName{Namespace: ai.Status.Cluster, Name: instanceWorkName(ai)}
	work, err := find(ctx, r.Live, key, &workv1.ManifestWork{})
	if err != nil || work == nil {
		return err == nil, err
	}
	if work.DeletionTimestamp.IsZero() {
		if err := r.Delete(ctx, work, client.Preconditions{UID: &work.UID}); client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("delete the ManifestWork: %w", err)
		}
		if len(work.Finalizers) == 0 {
			return true, nil // nobody had seen it
		}
	}
	cluster, err := find(ctx, r.Client, types.NamespacedName{Name: ai.Status.Cluster}, &clusterv1.ManagedCluster{})
	if err != nil {
		return false, fmt.Errorf("read ManagedCluster %s: %w", ai.Status.Cluster, err)
	}
	return cluster == nil, nil
}

func truncateMessage(s string) string { return opsv1alpha1.Truncate(s, opsv1alpha1.MaxMessage) }
