// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	corev1 "k8s.io/api/core/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// RunsOnHub tells whether the hub acts on an Operation. One that a hub has delivered, or that was made below one, is its agent's.
func RunsOnHub(op *opsv1alpha1.Operation) bool { return !belongsToSpoke(op) }

// ResultChunks is how many chunks hold the kept results of an Operation; 0 before it has a plan.
func ResultChunks(op *opsv1alpha1.Operation) int {
	if op.Status.Plan == nil {
		return 0
	}
	clusters := op.Status.Plan.Clusters
	if s := op.Status.Summary; s != nil && s.Clusters != nil {
		clusters = max(clusters, s.Clusters.Total)
	}
	return placement.Chunks(int(clusters))
}

// ReadResults reads what is kept of one chunk of an Operation's clusters, from 0 to ResultChunks-1: what they came to in earlier attempts first, and then
// what they came to last, which are so many as it says. Clusters that have not ended are left out; so is what somebody has damaged.
func ReadResults(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation, chunk int) (ended []placement.ClusterResult, last int, err error) {
	for attempt := range attemptOf(op.Status.Rollout) + 1 {
		name := ResultName(op)
		if attempt < attemptOf(op.Status.Rollout) {
			name = asideName(op, attempt+1)
		}
		results, err := readChunk(ctx, from, op, name+"-"+strconv.Itoa(chunk))
		if err != nil {
			return nil, 0, err
		}
		last = 0
		for _, r := range results {
			if r.State.Terminal() {
				ended = append(ended, r)
				last++
			}
		}
	}
	return ended, last, nil
}

// asideName is what the names of the ConfigMaps begin with that hold what clusters had come to before an attempt.
func asideName(op *opsv1alpha1.Operation, attempt int32) string {
	return ResultName(op) + "-before-" + strconv.Itoa(int(attempt))
}

func readChunk(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation, name string) ([]placement.ClusterResult, error) {
	stored, err := find(ctx, from, types.NamespacedName{Namespace: op.Namespace, Name: name}, &corev1.ConfigMap{})
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	if stored == nil || stored.Labels[opsv1alpha1.LabelOperation] != string(op.UID) {
		return nil, nil
	}
	results, err := placement.DecodeResults(stored.BinaryData[chunkKey])
	if err != nil {
		logf.FromContext(ctx).Error(err, "kept results cannot be read", "configMap", name)
		return nil, nil
	}
	return results, nil
}
