// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Cluster holds objects, and knows no types: the fake client passes what is applied through the type that its scheme has for it, so that
// every field without omitempty is applied along, as zero. Here apply does what it does in an API server, managedFields included.
type Cluster struct {
	client client.Client
	scheme *runtime.Scheme
}

// NewCluster holds copies of the objects.
func NewCluster(t testing.TB, live ...client.Object) *Cluster {
	t.Helper()
	c := &Cluster{scheme: newScheme()}
	objects := make([]client.Object, 0, len(live))
	for _, obj := range live {
		objects = append(objects, untyped(t, c.scheme, obj))
	}
	c.client = fake.NewClientBuilder().WithScheme(runtime.NewScheme()).WithReturnManagedFields().
		WithTypeConverters(managedfields.NewDeducedTypeConverter()).WithObjects(objects...).Build()
	return c
}

// Reader reads typed objects, and can do nothing but read: an engine never writes.
func (c *Cluster) Reader() client.Reader { return typedReader{store: c.client, scheme: c.scheme} }

// Apply does what a spoke does with a plan, and returns what it records.
func (c *Cluster) Apply(t testing.TB, changes []engines.Change) []opsv1alpha1.ResourceRef {
	t.Helper()
	refs := make([]opsv1alpha1.ResourceRef, 0, len(changes))
	for i, change := range changes {
		obj := untyped(t, c.scheme, change.Object)
		var err error
		if change.Verb == engines.VerbCreate {
			obj.SetUID(types.UID(fmt.Sprintf("created-%d", i)))
			err = c.client.Create(t.Context(), obj)
		} else {
			err = c.client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(obj), client.FieldOwner(opsv1alpha1.FieldManager), client.ForceOwnership)
			err = errors.Join(err, c.client.Get(t.Context(), client.ObjectKeyFromObject(obj), obj))
		}
		if err != nil {
			t.Fatalf("%s %s %s: %v", change.Verb, obj.GetKind(), client.ObjectKeyFromObject(obj), err)
		}
		refs = append(refs, opsv1alpha1.ResourceRef{
			APIVersion: obj.GetAPIVersion(), Kind: obj.GetKind(), Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID(),
		})
	}
	return refs
}

// untyped is the object as an API server holds it.
func untyped(t testing.TB, s *runtime.Scheme, obj client.Object) *unstructured.Unstructured {
	t.Helper()
	gvk, err := apiutil.GVKForObject(obj, s)
	if err != nil {
		t.Fatal(err)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj.DeepCopyObject())
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	return u
}

// typedReader reads typed objects out of a store that has none, and can do nothing but read.
type typedReader struct {
	store  client.Reader
	scheme *runtime.Scheme
}

// Get reads one object.
func (r typedReader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	gvk, err := apiutil.GVKForObject(obj, r.scheme)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)
	if err := r.store.Get(ctx, key, u, opts...); err != nil {
		return err
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, obj)
}

// List reads all objects of a kind.
func (r typedReader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	gvk, err := apiutil.GVKForObject(list, r.scheme)
	if err != nil {
		return err
	}
	u := &unstructured.UnstructuredList{}
	u.SetGroupVersionKind(gvk)
	if err := r.store.List(ctx, u, opts...); err != nil {
		return err
	}
	gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	items := make([]runtime.Object, 0, len(u.Items))
	for i := range u.Items {
		obj, err := r.scheme.New(gvk)
		if err != nil {
			return fmt.Errorf("list %s: %w", gvk.Kind, err)
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Items[i].Object, obj); err != nil {
			return err
		}
		items = append(items, obj)
	}
	return meta.SetList(list, items)
}
