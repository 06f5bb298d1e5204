// SPDX-License-Identifier: Apache-2.0

package bed

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// page is how many objects the API server and the benchmark hold in full at once.
const page = 500

// say is what one agent is about to say.
type say struct {
	child client.ObjectKey
	patch []byte
}

// Report plays the agents of all clusters: each says by a patch of its child's status that it is done, Workers at once. It returns when each was said, in
// order. What a patch holds is made up before the first is sent.
//
// Like an agent it does not read the answer, which is short therefore: metadata alone. Encoding and decoding whole objects would be most of what it costs, and
// is no arm's doing.
func (b *Bed) Report(ctx context.Context, kind schema.GroupVersionKind, with map[string]string, patch func(*unstructured.Unstructured) ([]byte, error)) ([]time.Time, error) {
	says, err := b.says(ctx, kind, with, patch)
	if err != nil {
		return nil, err
	}
	m, resource, err := b.metadata(kind)
	if err != nil {
		return nil, err
	}
	said := make([]time.Time, len(says))
	err = Each(ctx, len(says), func(ctx context.Context, i int) error {
		to := m.Resource(resource).Namespace(says[i].child.Namespace)
		_, err := to.Patch(ctx, says[i].child.Name, types.MergePatchType, says[i].patch, metav1.PatchOptions{}, "status")
		said[i] = time.Now()
		return err
	})
	slices.SortFunc(said, time.Time.Compare)
	return said, err
}

// says makes up what is to be said of all children. It keeps none of them.
func (b *Bed) says(ctx context.Context, kind schema.GroupVersionKind, with map[string]string, patch func(*unstructured.Unstructured) ([]byte, error)) (out []say, err error) {
	for from := ""; ; {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := b.Client.List(ctx, list, client.MatchingLabels(with), client.Limit(page), client.Continue(from)); err != nil {
			return nil, fmt.Errorf("list what to report on: %w", err)
		}
		for i := range list.Items {
			raw, err := patch(&list.Items[i])
			if err != nil {
				return nil, err
			}
			out = append(out, say{client.ObjectKeyFromObject(&list.Items[i]), raw})
		}
		if from = list.GetContinue(); from == "" {
			return out, nil
		}
	}
}
