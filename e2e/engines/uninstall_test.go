// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// uninstall deletes the CRDs of an engine, with all that is stored in them, and returns what installs them again.
func uninstall(t testing.TB, r rig) (install func()) {
	t.Helper()
	var list apiextensionsv1.CustomResourceDefinitionList
	if err := k8s.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	var again []client.Object
	for i := range list.Items {
		crd := &list.Items[i]
		if crd.Spec.Group != r.group {
			continue
		}
		kept := stored(t, crd)
		if err := k8s.Delete(t.Context(), crd); err != nil {
			t.Fatal(err)
		}
		for i := range kept {
			letGo(t, kept[i].DeepCopy())
		}
		eventually(t, "CRD "+crd.Name+" to be gone", func(ctx context.Context) (bool, string) {
			err := k8s.Get(ctx, keyOf(crd), &apiextensionsv1.CustomResourceDefinition{})
			where, asking := discovered(crd)
			return apierrors.IsNotFound(err) && asking == nil && where == nowhere, fmt.Sprint(err, where, asking)
		})
		again = append(again, &apiextensionsv1.CustomResourceDefinition{
			ObjectMeta: metav1.ObjectMeta{Name: crd.Name, Annotations: crd.Annotations, Labels: crd.Labels}, Spec: crd.Spec,
		})
		if slices.Contains(r.keeps, crd.Spec.Names.Kind) {
			for _, o := range kept {
				again = append(again, fresh(o))
			}
		}
	}
	if len(again) == 0 {
		t.Fatalf("no CRDs in group %s", r.group)
	}
	return func() {
		for _, o := range again {
			installOne(t, o)
		}
	}
}

// installOne creates an object, as soon as its kind is served.
func installOne(t testing.TB, o client.Object) {
	t.Helper()
	err := wait.PollUntilContextTimeout(context.Background(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		if err := k8s.Create(ctx, o.DeepCopyObject().(client.Object)); err != nil && !apierrors.IsAlreadyExists(err) {
			return false, nil
		}
		crd, ok := o.(*apiextensionsv1.CustomResourceDefinition)
		return !ok || served(ctx, crd), nil
	})
	if err != nil {
		t.Errorf("install %T %s: %v", o, o.GetName(), err)
	}
}

// served tells whether a CRD's kind can be listed, and whether the API server tells everybody so.
func served(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition) bool {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: crd.Spec.Group, Version: crd.Spec.Versions[0].Name, Kind: crd.Spec.Names.ListKind})
	told, err := discovered(crd)
	return k8s.List(ctx, list) == nil && err == nil && told == everywhere
}

// told is where the API server says that it serves a kind. It has two answers, and neither follows the CRD at once.
type told int

const (
	nowhere told = iota
	somewhere
	everywhere
)

// discovered asks for both: that of the one group and version, which the agent asks for, and that of all groups, which controllers do.
func discovered(crd *apiextensionsv1.CustomResourceDefinition) (told, error) {
	d, err := discovery.NewDiscoveryClientForConfig(cluster.Config())
	if err != nil {
		return nowhere, err
	}
	at := nowhere
	version := crd.Spec.Group + "/" + crd.Spec.Versions[0].Name
	one, err := d.ServerResourcesForGroupVersion(version)
	if err == nil && has(one, crd) {
		at++
	}
	if client.IgnoreNotFound(err) != nil {
		return at, err
	}
	_, all, err := d.ServerGroupsAndResources()
	for _, list := range all {
		if list.GroupVersion == version && has(list, crd) {
			at++
		}
	}
	if discovery.IsGroupDiscoveryFailedError(err) {
		err = nil // of groups that come and go
	}
	return at, err
}

func has(list *metav1.APIResourceList, crd *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Kind == crd.Spec.Names.Kind })
}

// stored are the objects of a CRD.
func stored(t testing.TB, crd *apiextensionsv1.CustomResourceDefinition) []unstructured.Unstructured {
	t.Helper()
	list := &unstructured.UnstructuredList{}
	for _, v := range crd.Spec.Versions {
		if v.Storage {
			list.SetGroupVersionKind(schema.GroupVersionKind{Group: crd.Spec.Group, Version: v.Name, Kind: crd.Spec.Names.ListKind})
		}
	}
	if err := k8s.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// fresh is an object as somebody would apply it again.
func fresh(o unstructured.Unstructured) *unstructured.Unstructured {
	again := &unstructured.Unstructured{Object: map[string]any{"apiVersion": o.GetAPIVersion(), "kind": o.GetKind(), "spec": o.Object["spec"]}}
	again.SetNamespace(o.GetNamespace())
	again.SetName(o.GetName())
	return again
}

// letGo takes the finalizers of a deleted object away, as somebody does who wants it gone.
func letGo(t testing.TB, obj *unstructured.Unstructured) {
	t.Helper()
	eventually(t, obj.GetKind()+" to be gone", func(ctx context.Context) (bool, string) {
		err := k8s.Get(ctx, keyOf(obj), obj)
		if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			return true, ""
		}
		if err == nil && len(obj.GetFinalizers()) > 0 {
			base := obj.DeepCopy()
			obj.SetFinalizers(nil)
			err = client.IgnoreNotFound(k8s.Patch(ctx, obj, client.MergeFrom(base)))
		}
		return false, fmt.Sprint(err)
	})
}
