// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// confine a task to what the identity of a session stands for: to one cluster, where it stands for one. The labels of an instance are put right. Nothing but
// the task is looked at; see confined. An error is a *Refusal.
func (s *Session) confine(t *task) error {
	switch {
	case t.rotate:
		return nil
	case t.entry != nil:
		if s.ManagedCluster != "" {
			return s.outside("payload.intent", "the catalog is the whole fleet's")
		}
		return nil
	case t.delete != nil:
		if s.ManagedCluster != "" && t.delete.Kind == kindTemplate {
			return s.outside("payload.kind", "OperationTemplates are the whole fleet's")
		}
		return nil
	}
	switch o := t.object; o.GetKind() {
	case kindInstance:
		return s.confineInstance(o)
	case kindOperation:
		if s.ManagedCluster == "" {
			return nil
		}
		for _, field := range []string{"placement", "selector"} {
			if _, there, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", field); there {
				return s.outside("spec."+field, "use spec.targetRef")
			}
		}
		if name, _, _ := unstructured.NestedString(o.Object, "spec", "targetRef", "name"); name == "" {
			return s.outside("spec.targetRef", "it is missing")
		}
		s.label(o)
	default:
		if s.ManagedCluster != "" {
			return s.outside("kind", "OperationTemplates are the whole fleet's")
		}
	}
	return nil
}

func (s *Session) outside(field, why string) error {
	return refused("%s: the identity %s stands for cluster %s alone (spec.managedCluster of ControlPlane %s): %s", field, s.ClusterID, s.ManagedCluster, s.ControlPlane, why)
}

func (s *Session) confineInstance(o *unstructured.Unstructured) error {
	labels := o.GetLabels()
	cluster := labels[appsv1alpha1.LabelClusterID]
	switch {
	case s.ManagedCluster == "" && cluster == "":
		return refused("metadata.labels: %s is missing: it names the cluster that the instance is for", appsv1alpha1.LabelClusterID)
	case s.ManagedCluster == "":
		return nil
	case cluster != "" && cluster != s.ManagedCluster && cluster != s.ClusterID:
		return s.outside("metadata.labels", fmt.Sprintf("%s is %q: leave it out, or name that cluster", appsv1alpha1.LabelClusterID, cluster))
	}
	s.label(o)
	return nil
}

// label an object with the identity's cluster: also an Operation, whose instance may be gone when it is asked where it belongs.
func (s *Session) label(o *unstructured.Unstructured) {
	labels := o.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[appsv1alpha1.LabelClusterID] = s.ManagedCluster
	o.SetLabels(labels)
}

// confined tells whether what is on the hub already lets a task stay within the identity's cluster: that it does not take another cluster's instance, and that
// its target is there. An error that is a *Refusal says that it does not.
func (s *Session) confined(ctx context.Context, live client.Reader, namespace string, names ...string) error {
	if s.ManagedCluster == "" {
		return nil
	}
	for _, name := range names {
		ai := &appsv1alpha1.ApplicationInstance{}
		err := live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, ai)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read ApplicationInstance %s/%s: %w", namespace, name, err)
		}
		if cluster := ai.Labels[appsv1alpha1.LabelClusterID]; cluster != s.ManagedCluster {
			return s.outside("metadata.name", fmt.Sprintf("ApplicationInstance %s/%s is another cluster's", namespace, name))
		}
	}
	return nil
}

// target of an Operation that is to be created. It must be there: where an instance will be that is not, nobody knows.
func (s *Session) target(ctx context.Context, live client.Reader, o *unstructured.Unstructured) error {
	if s.ManagedCluster == "" {
		return nil
	}
	name, _, _ := unstructured.NestedString(o.Object, "spec", "targetRef", "name")
	err := live.Get(ctx, client.ObjectKey{Namespace: o.GetNamespace(), Name: name}, &appsv1alpha1.ApplicationInstance{})
	if apierrors.IsNotFound(err) {
		return s.outside("spec.targetRef.name", fmt.Sprintf("there is no ApplicationInstance %s/%s", o.GetNamespace(), name))
	}
	if err != nil {
		return fmt.Errorf("read ApplicationInstance %s/%s: %w", o.GetNamespace(), name, err)
	}
	return s.confined(ctx, live, o.GetNamespace(), name)
}

// mayDelete tells whether an object is the identity's to delete.
func (s *Session) mayDelete(ctx context.Context, live client.Reader, o *unstructured.Unstructured) error {
	if s.ManagedCluster == "" {
		return nil
	}
	if o.GetKind() == kindInstance {
		return s.confined(ctx, live, o.GetNamespace(), o.GetName())
	}
	if err := s.confine(&task{object: o}); err != nil {
		return err
	}
	return s.target(ctx, live, o)
}

// gone tells whether a reference's object is not there any more: another of the same name is not it.
func gone(o *unstructured.Unstructured, ref *wire.Ref) bool {
	return o == nil || ref.UID != "" && string(o.GetUID()) != ref.UID
}
