// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// object is a live object that may be changed, with who owns what in it.
type object struct {
	kind      schema.GroupVersionKind
	name      string
	namespace string
	content   map[string]any
	managed   []metav1.ManagedFieldsEntry
}

// newObject reads a typed object. One without managedFields is an error, to be tried again: it came through a cache that drops them, and
// without them an apply could take away what an earlier one set.
func newObject(obj client.Object, gv schema.GroupVersion, kind string) (*object, error) {
	if len(obj.GetManagedFields()) == 0 {
		return nil, fmt.Errorf("%s %s has no managedFields: its owners cannot be told (does a cache strip them?)", kind, client.ObjectKeyFromObject(obj))
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, client.ObjectKeyFromObject(obj), err)
	}
	return &object{kind: gv.WithKind(kind), name: obj.GetName(), namespace: obj.GetNamespace(), content: content, managed: obj.GetManagedFields()}, nil
}

// lacks tells whether any of the values is not there yet.
func (o *object) lacks(wanted []leaf) bool {
	for _, l := range wanted {
		if !l.holds(o.content) {
			return true
		}
	}
	return false
}

// apply makes the change that sets the values, and keeps what earlier runs have set.
func (o *object) apply(wanted []leaf, annotations map[string]string) (engines.Change, error) {
	kept, err := o.ours()
	if err != nil {
		return engines.Change{}, err
	}
	content := map[string]any{}
	for _, l := range append(kept, wanted...) {
		l.set(content)
	}
	for key, value := range annotations {
		leaf{path: path{"metadata", "annotations", key}, value: value}.set(content)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(o.kind)
	u.SetName(o.name)
	u.SetNamespace(o.namespace)
	return engines.Apply(u), nil
}
