// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/bed"
)

// takeBack deletes parents, and plays the agents meanwhile: where a Work is being deleted, its agent removes what it had made from its cluster, and then the
// finalizer that Karmada had put there for it. It returns when everything is gone.
func (k *karmada) takeBack(ctx context.Context, labels client.MatchingLabels, parents ...client.Object) error {
	ctx, cancel := bed.Within(ctx, goneWithin)
	defer cancel()
	children := &metav1.PartialObjectMetadataList{}
	children.SetGroupVersionKind(karmadaWork.GroupVersion().WithKind("WorkList"))
	if err := k.bed.Client.List(ctx, children, labels); err != nil {
		return fmt.Errorf("list children: %w", err)
	}
	seen, err := k.bed.Client.Watch(ctx, children, labels, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: children.ResourceVersion}})
	if err != nil {
		return fmt.Errorf("watch children: %w", err)
	}
	defer seen.Stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return k.letGo(ctx, seen, len(children.Items)) })
	group.Go(func() error { return k.delete(ctx, parents...) })
	return group.Wait()
}

func (k *karmada) letGo(ctx context.Context, seen watch.Interface, left int) error {
	agents, ctx := errgroup.WithContext(ctx)
	agents.SetLimit(bed.Workers)
	for left > 0 {
		select {
		case event, ok := <-seen.ResultChan():
			if !ok {
				return errors.Join(errors.New("the watch of the children ended"), agents.Wait())
			}
			child, ok := event.Object.(*metav1.PartialObjectMetadata)
			switch {
			case !ok:
				return errors.Join(fmt.Errorf("watch the children: %v", event.Object), agents.Wait())
			case event.Type == watch.Deleted:
				left--
			case child.DeletionTimestamp != nil && len(child.Finalizers) > 0:
				agents.Go(func() error { return k.free(ctx, child) })
			}
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), agents.Wait())
		}
	}
	return agents.Wait()
}

func (k *karmada) free(ctx context.Context, child *metav1.PartialObjectMetadata) error {
	child.SetGroupVersionKind(karmadaWork) // a watch does not tell
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	if err := k.bed.Client.Patch(ctx, child, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("let go of %s: %w", client.ObjectKeyFromObject(child), err)
	}
	return nil
}
