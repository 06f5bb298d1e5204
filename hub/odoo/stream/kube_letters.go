// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// annotationSink and annotationBytes are on a letter, so that it need not be opened to know whom it is for and how large it is.
	annotationSink  = "ops.vworkspace.io/sink"
	annotationBytes = "ops.vworkspace.io/bytes"
	// letterKey is where a letter is in its ConfigMap.
	letterKey = "events.json.gz"
	// lettersAtOnce are listed.
	lettersAtOnce = 500
)

func (s *kube) letters(ctx context.Context) ([]letterRef, error) {
	var refs []letterRef
	for next := ""; ; {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
		err := s.live.List(ctx, list, client.InNamespace(s.namespace), client.MatchingLabels{opsv1alpha1.LabelPart: opsv1alpha1.PartLetter},
			client.Limit(lettersAtOnce), client.Continue(next))
		if err != nil {
			return nil, fmt.Errorf("list letters: %w", err)
		}
		for i := range list.Items {
			refs = append(refs, refOf(&list.Items[i]))
		}
		if next = list.Continue; next == "" {
			break
		}
	}
	slices.SortFunc(refs, func(a, b letterRef) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.name, b.name)) })
	return refs, nil
}

func refOf(o metav1.Object) letterRef {
	bytes, err := strconv.Atoi(o.GetAnnotations()[annotationBytes])
	if err != nil {
		bytes = maxLetter // somebody has been at it: it is not counted as less than it may be
	}
	return letterRef{
		name: o.GetName(), sink: o.GetAnnotations()[annotationSink], version: o.GetResourceVersion(), bytes: bytes, at: o.GetCreationTimestamp().Time,
	}
}

func (s *kube) open(ctx context.Context, ref letterRef) ([]event, error) {
	stored := &corev1.ConfigMap{}
	if err := s.live.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: ref.name}, stored); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	events, err := decode(stored.BinaryData[letterKey])
	if err != nil {
		// Somebody has damaged it: nobody can tell any more what was in it, and what comes after it must not wait for ever.
		logf.FromContext(ctx).Error(err, "a letter cannot be read and is thrown away", "configMap", ref.name)
		return nil, nil
	}
	return events, nil
}

func (s *kube) write(ctx context.Context, l letter) (letterRef, error) {
	stored := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: l.name, Namespace: s.namespace,
			Labels:      map[string]string{opsv1alpha1.LabelPart: opsv1alpha1.PartLetter, appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane},
			Annotations: map[string]string{annotationSink: l.sink, annotationBytes: strconv.Itoa(len(l.data))},
		},
		BinaryData: map[string][]byte{letterKey: l.data},
	}
	err := s.Create(ctx, stored)
	if apierrors.IsAlreadyExists(err) {
		old := &metav1.PartialObjectMetadata{}
		old.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
		if err := s.live.Get(ctx, client.ObjectKeyFromObject(stored), old); err != nil {
			return letterRef{}, err
		}
		if old.Labels[opsv1alpha1.LabelPart] != opsv1alpha1.PartLetter {
			return letterRef{}, fmt.Errorf("ConfigMap %s is not a letter: delete it", l.name)
		}
		stored.ResourceVersion = old.ResourceVersion
		err = s.Update(ctx, stored)
	}
	if err != nil {
		return letterRef{}, err
	}
	return refOf(stored), nil
}

func (s *kube) burn(ctx context.Context, ref letterRef) error {
	stored := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: ref.name, Namespace: s.namespace}}
	err := s.Delete(ctx, stored, client.Preconditions{ResourceVersion: &ref.version})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it is gone, or was written anew and is told again
	}
	if err != nil {
		return fmt.Errorf("delete the letter %s: %w", ref.name, err)
	}
	return nil
}
