// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"k8s.io/apimachinery/pkg/types"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// kind of an object that is told of.
type kind uint8

const (
	kindOperation kind = iota
	kindInstance
)

// key finds an object.
type key struct {
	types.NamespacedName
	kind kind
}

func operationRef(op *opsv1alpha1.Operation) wire.Ref {
	return wire.Ref{
		APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Operation", Namespace: op.Namespace, Name: op.Name, UID: string(op.UID), Generation: op.Generation,
	}
}

func instanceRef(ai *appsv1alpha1.ApplicationInstance) wire.Ref {
	return wire.Ref{
		APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance", Namespace: ai.Namespace, Name: ai.Name, UID: string(ai.UID), Generation: ai.Generation,
	}
}

// path of an object in the keys of its events. It has no generation: what happened once has one key, whatever the object has become since.
func path(r wire.Ref) string {
	return r.APIVersion + "/" + r.Kind + "/" + r.Namespace + "/" + r.Name + "/" + r.UID
}

func operationKey(op *opsv1alpha1.Operation) key {
	return key{kind: kindOperation, NamespacedName: types.NamespacedName{Namespace: op.Namespace, Name: op.Name}}
}

func instanceKey(ai *appsv1alpha1.ApplicationInstance) key {
	return key{kind: kindInstance, NamespacedName: types.NamespacedName{Namespace: ai.Namespace, Name: ai.Name}}
}
