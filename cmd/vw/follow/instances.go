// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// belowStream brings the Operations that one on a cluster was expanded into, one for each instance.
func (f *Follower) belowStream(op *opsv1alpha1.Operation) *stream {
	selected := client.MatchingLabels{opsv1alpha1.LabelParent: string(op.UID)}
	return &stream{
		list: func(ctx context.Context) (string, error) {
			for next, first := "", true; ; first = false {
				var list opsv1alpha1.OperationList
				if err := f.client.List(ctx, &list, selected, client.Limit(pageSize), client.Continue(next)); err != nil {
					return "", fmt.Errorf("list the Operations below %s: %w", f.key, err)
				}
				f.children(list.Items, first)
				if next = list.Continue; next == "" {
					return list.ResourceVersion, nil
				}
			}
		},
		watch: func(ctx context.Context, version string) (watch.Interface, error) {
			return f.client.Watch(ctx, &opsv1alpha1.OperationList{}, selected,
				&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true}})
		},
		event: func(e watch.Event) {
			child, is := e.Object.(*opsv1alpha1.Operation)
			if !is || e.Type == watch.Deleted { // one that was swept away stays what it was
				return
			}
			f.children([]opsv1alpha1.Operation{*child}, false)
		},
	}
}

func (f *Follower) children(ops []opsv1alpha1.Operation, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if first {
		clear(f.below)
	}
	for i := range ops {
		f.below[client.ObjectKeyFromObject(&ops[i])] = instance(&ops[i])
	}
	f.note()
}

// instance is how an Operation on one stands.
func instance(op *opsv1alpha1.Operation) placement.ClusterResult {
	name := op.Name
	if op.Spec.TargetRef != nil {
		name = op.Spec.TargetRef.Name
	}
	s := &op.Status
	r := placement.ClusterResult{
		Cluster: op.Namespace + "/" + name, State: placement.StateOf(s.Phase, s.Blocked), Reason: s.Reason, Message: s.Message,
		Waiting: s.Phase == opsv1alpha1.PhaseRunning && s.Blocked,
	}
	if s.StartedAt != nil {
		r.StartedAt = placement.At(s.StartedAt.Time)
	}
	if s.FinishedAt != nil {
		r.FinishedAt = placement.At(s.FinishedAt.Time)
	}
	return r
}

// addInstances of the cluster to a snapshot, for callers that hold the lock.
func (f *Follower) addInstances(s *Snapshot) {
	objects := map[string]types.NamespacedName{}
	s.Object = func(cell string) (types.NamespacedName, bool) { key, known := objects[cell]; return key, known }
	if f.op.Spec.Selector == nil {
		own := instance(f.op)
		s.Cells, objects[own.Cluster] = []placement.ClusterResult{own}, f.key
	} else {
		for key, cell := range f.below {
			s.Cells = append(s.Cells, cell)
			objects[cell.Cluster] = key
		}
		slices.SortFunc(s.Cells, func(a, b placement.ClusterResult) int { return cmp.Compare(a.Cluster, b.Cluster) })
	}
	if f.blind {
		s.Cells = named(f.op)
	}
	if len(s.Cells) > 0 {
		s.Groups = []Group{{To: len(s.Cells)}}
	}
}
