// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// collect plays the garbage collector: what is owned goes with its owner, and before it where somebody has asked for the foreground.
func (p *players) collect(ctx context.Context) error {
	for _, api := range []API{OnHub, OnSpoke} {
		objects := p.w.mirror.all(api)
		for _, o := range objects {
			var err error
			switch {
			case slices.Contains(o.GetFinalizers(), metav1.FinalizerDeleteDependents):
				err = p.foreground(ctx, api, o, objects)
			case slices.Contains(o.GetFinalizers(), metav1.FinalizerOrphanDependents):
				err = p.letGo(ctx, api, o, metav1.FinalizerOrphanDependents)
			case o.GetDeletionTimestamp() == nil:
				err = p.sweep(ctx, api, o)
			}
			if err != nil && !passing(err) {
				return err
			}
		}
	}
	return nil
}

// foreground deletes what o owns, and then lets o go.
func (p *players) foreground(ctx context.Context, api API, o *unstructured.Unstructured, all []*unstructured.Unstructured) error {
	waits := false
	for _, dependent := range all {
		for _, ref := range dependent.GetOwnerReferences() {
			if ref.UID != o.GetUID() {
				continue
			}
			if dependent.GetDeletionTimestamp() == nil {
				waits = true
				if err := p.remove(ctx, api, dependent); err != nil {
					return err
				}
			} else if ref.BlockOwnerDeletion != nil && *ref.BlockOwnerDeletion {
				waits = true
			}
		}
	}
	if waits {
		return nil
	}
	return p.letGo(ctx, api, o, metav1.FinalizerDeleteDependents)
}

func (p *players) letGo(ctx context.Context, api API, o *unstructured.Unstructured, finalizer string) error {
	o.SetFinalizers(slices.DeleteFunc(o.GetFinalizers(), func(f string) bool { return f == finalizer }))
	return p.w.client(api).Update(ctx, o)
}

// sweep deletes an object none of whose owners is there any more. A watch may show it before its owner, so the API server is asked.
func (p *players) sweep(ctx context.Context, api API, o *unstructured.Unstructured) error {
	refs := o.GetOwnerReferences()
	for _, ref := range refs {
		if there, err := p.exists(ctx, api, o.GetNamespace(), ref); err != nil || there {
			return err
		}
	}
	if len(refs) == 0 {
		return nil
	}
	return p.remove(ctx, api, o)
}

func (p *players) exists(ctx context.Context, api API, namespace string, ref metav1.OwnerReference) (bool, error) {
	for _, o := range p.w.mirror.all(api, ref.Kind) {
		if o.GetUID() == ref.UID {
			return true, nil
		}
	}
	owner := &unstructured.Unstructured{}
	owner.SetAPIVersion(ref.APIVersion)
	owner.SetKind(ref.Kind)
	err := p.w.client(api).Get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name}, owner)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return owner.GetUID() == ref.UID, err
}

func (p *players) remove(ctx context.Context, api API, o *unstructured.Unstructured) error {
	uid := o.GetUID()
	err := p.w.client(api).Delete(ctx, o.DeepCopy(), client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	return client.IgnoreNotFound(err)
}
