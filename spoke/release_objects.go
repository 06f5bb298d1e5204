// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

// removalInterval is how often a release that is being removed is looked at when no watch says anything.
const removalInterval = 30 * time.Second

// helmRelease reads the instance's HelmRelease; nil when there is none.
func (v *instanceVisit) helmRelease(ctx context.Context) (*helmv2.HelmRelease, error) {
	hr := &helmv2.HelmRelease{}
	found, err := v.read(ctx, hr)
	if !found {
		return nil, err
	}
	return hr, nil
}

// read gets an object of the release's name, and tells whether it exists.
func (v *instanceVisit) read(ctx context.Context, obj client.Object) (bool, error) {
	from := v.reader()
	if v.applied {
		from = v.live
	}
	err := from.Get(ctx, client.ObjectKey{Namespace: v.ai.Namespace, Name: v.ai.Spec.Release.Name}, obj)
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read %T %s: %w", obj, v.ai.Spec.Release.Name, err)
	}
	return true, nil
}

// confirm fails with a conflict unless the instance is as it was read.
func (v *instanceVisit) confirm(ctx context.Context) error {
	var now appsv1alpha1.ApplicationInstance
	if err := v.live.Get(ctx, client.ObjectKeyFromObject(v.ai), &now); err != nil {
		return fmt.Errorf("read ApplicationInstance %s/%s again: %w", v.ai.Namespace, v.ai.Name, err)
	}
	if now.UID != v.ai.UID || now.ResourceVersion != v.ai.ResourceVersion {
		return conflict(appsv1alpha1.GroupVersion.WithResource("applicationinstances"), v.ai)
	}
	return nil
}

// put applies an object unless it is there already as wanted. Whatever belongs to somebody else is reported and never taken: neither a whole
// object of the name, nor a single field.
func (v *instanceVisit) put(ctx context.Context, want *unstructured.Unstructured) (*refusal, error) {
	there := fluxKinds()[want.GetKind()]
	found, err := v.read(ctx, there)
	if err != nil {
		return nil, err
	}
	if found {
		if !metav1.IsControlledBy(there, v.ai) {
			return &refusal{appsv1alpha1.ReasonFieldConflict, fmt.Sprintf("%s %s exists and is not this instance's: remove it, or create the instance with mode %s",
				want.GetKind(), want.GetName(), appsv1alpha1.ModeAdopted)}, nil
		}
		live, err := runtime.DefaultUnstructuredConverter.ToUnstructured(there)
		if err != nil {
			return nil, fmt.Errorf("encode %s %s: %w", want.GetKind(), want.GetName(), err)
		}
		if holds(live["spec"], want.Object["spec"]) && holds(live["metadata"], want.Object["metadata"]) {
			return nil, nil
		}
		// A change that arrives late would make anew what is gone with the instance, or take back what a successor has changed since.
		want = want.DeepCopy()
		want.SetUID(there.GetUID())
		want.SetResourceVersion(there.GetResourceVersion())
	}
	// A cache that lags behind may show an instance that is being deleted, and this would install it again.
	if err := v.confirm(ctx); err != nil {
		return nil, err
	}
	v.applied = true
	err = v.Apply(ctx, client.ApplyConfigurationFromUnstructured(want.DeepCopy()), client.FieldOwner(instanceFieldManager))
	switch {
	case apierrors.IsConflict(err) && apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		return &refusal{appsv1alpha1.ReasonFieldConflict, fmt.Sprintf("%s %s: %v", want.GetKind(), want.GetName(), err)}, nil
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
		return &refusal{appsv1alpha1.ReasonNotApplied, err.Error()}, nil
	case err != nil:
		return nil, fmt.Errorf("apply %s %s: %w", want.GetKind(), want.GetName(), err)
	}
	return nil, nil
}

// sourceComplaint is what the chart's source says is wrong, or "".
func (v *instanceVisit) sourceComplaint(ctx context.Context) (string, error) {
	var conditions []metav1.Condition
	var generation int64
	if v.ai.Spec.Chart.SourceType == appsv1alpha1.ChartSourceOCI {
		var repo sourcev1.OCIRepository
		if _, err := v.read(ctx, &repo); err != nil {
			return "", err
		}
		conditions, generation = repo.Status.Conditions, repo.Generation
	} else {
		var repo sourcev1.HelmRepository
		if _, err := v.read(ctx, &repo); err != nil {
			return "", err
		}
		conditions, generation = repo.Status.Conditions, repo.Generation
	}
	ready := meta.FindStatusCondition(conditions, fluxReady)
	if ready == nil || ready.Status != metav1.ConditionFalse || ready.ObservedGeneration < generation {
		return "", nil
	}
	return ready.Message, nil
}

// dropOtherSource removes the source of the kind that is not in use, after spec.chart.sourceType was changed.
func (v *instanceVisit) dropOtherSource(ctx context.Context, inUse string) error {
	for kind, obj := range fluxKinds() {
		if kind == inUse || kind == helmv2.HelmReleaseKind {
			continue
		}
		if _, err := v.drop(ctx, obj); err != nil {
			return err
		}
	}
	return nil
}

// drop deletes an object of the release's name if it is the instance's, and tells whether it is gone.
func (v *instanceVisit) drop(ctx context.Context, obj client.Object) (gone bool, err error) {
	found, err := v.read(ctx, obj)
	if err != nil || !found || !metav1.IsControlledBy(obj, v.ai) {
		return err == nil, err
	}
	if obj.GetDeletionTimestamp().IsZero() {
		uid := obj.GetUID()
		if err := client.IgnoreNotFound(v.Delete(ctx, obj, client.Preconditions{UID: &uid})); err != nil {
			return false, fmt.Errorf("delete %T %s: %w", obj, obj.GetName(), err)
		}
	}
	return false, nil
}

// remove takes what was made for a deleted instance away, in Flux's order: the HelmRelease first, whose deletion uninstalls the release and needs
// the source, then the source. What was adopted was never ours and stays.
func (v *instanceVisit) remove(ctx context.Context) error {
	if !controllerutil.ContainsFinalizer(v.ai, appsv1alpha1.ApplicationInstanceFinalizer) {
		return nil
	}
	gone, err := v.dropAll(ctx)
	if err != nil {
		return err
	}
	if gone {
		return client.IgnoreNotFound(v.setFinalizer(ctx, false))
	}
	message := "waiting for Flux to uninstall the release"
	if hr, err := v.helmRelease(ctx); err != nil {
		return err
	} else if hr != nil {
		if c := current(hr, fluxReady); c != nil && c.Status == metav1.ConditionFalse {
			message += ": " + c.Message
		}
	}
	v.again = removalInterval
	v.conclude(finding{ready: metav1.ConditionFalse, reason: appsv1alpha1.ReasonDeleting, message: message})
	v.set(appsv1alpha1.ConditionDeleting, metav1.ConditionTrue, appsv1alpha1.ReasonDeleting, message)
	return nil
}

// dropAll takes one thing after the other away and tells whether all are gone.
func (v *instanceVisit) dropAll(ctx context.Context) (bool, error) {
	if v.ai.Spec.Mode != appsv1alpha1.ModeManaged {
		return true, nil
	}
	for _, obj := range []client.Object{&helmv2.HelmRelease{}, &sourcev1.HelmRepository{}, &sourcev1.OCIRepository{}} {
		if gone, err := v.drop(ctx, obj); err != nil || !gone {
			return false, err
		}
	}
	return true, nil
}
