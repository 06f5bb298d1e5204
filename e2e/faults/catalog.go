// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// told begins the names of a story's templates. The others are there before it, on both API servers, and stay.
const told = "told-"

// claimOn says on the hub what Open Cluster Management's agent tells of the near cluster's claims.
func (l *Lab) claimOn(ctx context.Context, claims []clusterv1.ManagedClusterClaim) error {
	c := &clusterv1.ManagedCluster{}
	if err := l.Hub.Get(ctx, client.ObjectKey{Name: near}, c); err != nil {
		return err
	}
	if len(c.Status.ClusterClaims) == len(claims) {
		return nil
	}
	c.Status.ClusterClaims = claims
	return l.Hub.Status().Update(ctx, c)
}

// restock takes a story's templates away, and puts back those that were there before it.
func (l *Lab) restock(ctx context.Context) error {
	if err := l.claimOn(ctx, nil); err != nil {
		return err
	}
	for _, api := range []API{OnHub, OnSpoke} {
		list := &opsv1alpha1.OperationTemplateList{}
		if err := l.client(api).List(ctx, list); err != nil {
			return err
		}
		for i := range list.Items {
			if strings.HasPrefix(list.Items[i].Name, told) {
				if err := client.IgnoreNotFound(l.client(api).Delete(ctx, &list.Items[i])); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// carried are the kinds that the hub brings of its own, and what they are called in an address.
var carried = map[string]string{"OperationTemplate": "operationtemplates", "Freeze": "freezes"}

// isCatalog tells whether a ManifestWork of that name carries templates, or Freezes.
func isCatalog(name string) bool {
	return strings.HasPrefix(name, "vworkspace-catalog") || name == "vworkspace-freezes"
}

// carryCatalog plays what the work agent does with templates and Freezes: server-side apply without force, of those that have changed, deletion of those that are no
// longer in any work, and a condition for each. What was there before the story is the lab's, and is never deleted.
func (p *players) carryCatalog(ctx context.Context, work *workv1.ManifestWork) error {
	if work.DeletionTimestamp.IsZero() && controllerutil.AddFinalizer(work, workv1.ManifestWorkFinalizer) {
		return p.w.Hub.Update(ctx, work)
	}
	manifests, err := templatesIn(work)
	if err != nil {
		return err
	}
	if !work.DeletionTimestamp.IsZero() {
		clear(manifests)
	}
	before := work.Status.DeepCopy()
	work.Status.ResourceStatus.Manifests = nil
	condition := metav1.Condition{
		Type: workv1.WorkApplied, Status: metav1.ConditionTrue, Reason: "AppliedManifestComplete", ObservedGeneration: work.Generation, LastTransitionTime: metav1.Now(),
	}
	if len(before.Conditions) > 0 {
		condition.LastTransitionTime = before.Conditions[0].LastTransitionTime
	}
	for _, name := range slices.Sorted(maps.Keys(manifests)) {
		if err := p.applyTemplate(ctx, name, manifests[name]); err != nil {
			return err
		}
		work.Status.ResourceStatus.Manifests = append(work.Status.ResourceStatus.Manifests, workv1.ManifestCondition{
			ResourceMeta: workv1.ManifestResourceMeta{Group: "ops.vworkspace.io", Resource: carried[manifests[name].GetKind()], Name: name},
			Conditions:   []metav1.Condition{condition},
		})
	}
	if err := p.dropTemplates(ctx, work, manifests); err != nil {
		return err
	}
	if !work.DeletionTimestamp.IsZero() {
		controllerutil.RemoveFinalizer(work, workv1.ManifestWorkFinalizer)
		return p.w.Hub.Update(ctx, work)
	}
	work.Status.Conditions = []metav1.Condition{condition}
	if equality.Semantic.DeepEqual(*before, work.Status) {
		return nil
	}
	return p.w.Hub.Status().Update(ctx, work)
}

// templatesIn a ManifestWork, or Freezes, by name.
func templatesIn(work *workv1.ManifestWork) (map[string]*unstructured.Unstructured, error) {
	all := map[string]*unstructured.Unstructured{}
	for _, m := range work.Spec.Workload.Manifests {
		o := &unstructured.Unstructured{}
		if err := json.Unmarshal(m.Raw, o); err != nil {
			return nil, err
		}
		all[o.GetName()] = o
	}
	return all, nil
}

// applyTemplate, or Freeze, that is not there as it is to be.
func (p *players) applyTemplate(ctx context.Context, name string, manifest *unstructured.Unstructured) error {
	live := p.w.mirror.get(OnSpoke, manifest.GetKind(), "", name)
	if live != nil && equality.Semantic.DeepEqual(live.Object["spec"], manifest.Object["spec"]) {
		return nil
	}
	return p.w.Spoke.Apply(ctx, client.ApplyConfigurationFromUnstructured(manifest), client.FieldOwner("work-agent-vworkspace-catalog"))
}

// dropTemplates, and Freezes, that were brought and are in no ManifestWork any more.
func (p *players) dropTemplates(ctx context.Context, work *workv1.ManifestWork, kept map[string]*unstructured.Unstructured) error {
	for _, o := range p.w.mirror.all(OnHub, "ManifestWork") {
		if o.GetNamespace() != work.Namespace || o.GetName() == work.Name || !isCatalog(o.GetName()) {
			continue
		}
		other := &workv1.ManifestWork{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, other); err != nil {
			return err
		}
		more, err := templatesIn(other)
		if err != nil {
			return err
		}
		maps.Copy(kept, more)
	}
	for _, o := range append(p.w.mirror.all(OnSpoke, "OperationTemplate"), p.w.mirror.all(OnSpoke, "Freeze")...) {
		brought := o.GetLabels()[appsv1alpha1.LabelManagedBy] == appsv1alpha1.ManagedByControlPlane
		if _, keep := kept[o.GetName()]; keep || !brought || !mayBeLeft(OnSpoke, o) {
			continue
		}
		if err := p.w.Spoke.Delete(ctx, o); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}
