// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/listing"
)

// objects as they are, for scripts.
func (g *get) objects(ctx context.Context) error {
	c, err := g.env.Client()
	if err != nil {
		return err
	}
	list, err := g.readObjects(ctx, c)
	if err != nil {
		return err
	}
	list.Items = slices.DeleteFunc(list.Items, func(o unstructured.Unstructured) bool { return !g.passes(&o) })
	if len(g.names) == 1 && len(list.Items) == 1 {
		return g.output.Print(g.env.Out, &list.Items[0])
	}
	list.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "List"})
	return g.output.Print(g.env.Out, list)
}

func (g *get) readObjects(ctx context.Context, c client.Reader) (*unstructured.UnstructuredList, error) {
	kind := g.resource.GroupVersion().WithKind(g.resource.Kind.Kind)
	list := &unstructured.UnstructuredList{}
	if len(g.names) == 0 {
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := c.List(ctx, list, client.InNamespace(g.namespace), client.MatchingLabelsSelector{Selector: g.labels})
		return list, err
	}
	for _, name := range g.names {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(kind)
		if err := c.Get(ctx, client.ObjectKey{Namespace: g.namespace, Name: name}, object); err != nil {
			return nil, err
		}
		list.Items = append(list.Items, *object)
	}
	return list, nil
}

// passes tells whether an object is in one of the states that were asked for.
func (g *get) passes(o *unstructured.Unstructured) bool {
	if len(g.filter) == 0 {
		return true
	}
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	var op listing.Operation
	op.Status.Phase = opsv1alpha1.OperationPhase(phase)
	op.Status.Blocked, _, _ = unstructured.NestedBool(o.Object, "status", "blocked")
	return g.filter.Has(op.State())
}
