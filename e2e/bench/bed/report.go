// SPDX-License-Identifier: Apache-2.0

package bed

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Report plays the agents of all clusters: each says by a patch of its child's status that it is done, Workers at once. It returns when each was said, in
// order. What a patch holds is made up before the first is sent.
func (b *Bed) Report(ctx context.Context, kind schema.GroupVersionKind, with map[string]string, patch func(*unstructured.Unstructured) ([]byte, error)) ([]time.Time, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := b.Client.List(ctx, list, client.MatchingLabels(with)); err != nil {
		return nil, fmt.Errorf("list what to report on: %w", err)
	}
	patches := make([][]byte, len(list.Items))
	for i := range list.Items {
		var err error
		if patches[i], err = patch(&list.Items[i]); err != nil {
			return nil, err
		}
	}
	said := make([]time.Time, len(patches))
	err := Each(ctx, len(patches), func(ctx context.Context, i int) error {
		err := b.Client.Status().Patch(ctx, &list.Items[i], client.RawPatch(types.MergePatchType, patches[i]))
		said[i] = time.Now()
		return err
	})
	slices.SortFunc(said, time.Time.Compare)
	return said, err
}
