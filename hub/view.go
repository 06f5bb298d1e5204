// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// View of a run for who watches it from outside: its plan, and where each cluster stands, by the hub's own rules. It needs no more rights than to read the
// ConfigMaps beside the Operation; who may read ManifestWorks too has Observe, and sees what the clusters say as they say it. It is safe for concurrent use.
type View struct{ run *run }

// ReadView reads what is stored of a run. An Operation that has not been planned has an empty plan. The error is placement.ErrPlanCorrupt when what is stored is not
// what was written.
func ReadView(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation) (*View, error) {
	v := &View{run: newRuns().of(op)}
	if op.Status.Plan == nil {
		v.run.begin(placement.Plan{})
		return v, nil
	}
	plan, err := readPlan(ctx, from, op)
	if err != nil {
		return nil, err
	}
	kept := make([][]placement.ClusterResult, placement.Chunks(plan.Len()))
	for i := range kept {
		if kept[i], err = keptResults(ctx, from, op, i); err != nil {
			return nil, err
		}
	}
	v.run.resume(plan, len(op.Status.Plan.Added), kept, time.Now())
	return v, nil
}

// Plan of the run.
func (v *View) Plan() placement.Plan { return v.run.plan }

// Observe takes in what a ManifestWork of the run says, and tells whether that was news. Works of other runs and of earlier attempts say nothing.
func (v *View) Observe(work *workv1.ManifestWork) bool {
	return v.run.observe(work, work.CreationTimestamp.Time, time.Now())
}

// Result of a cluster, with an empty state when it has not been started; false when it is not in the plan.
func (v *View) Result(cluster string) (placement.ClusterResult, bool) {
	v.run.mu.Lock()
	defer v.run.mu.Unlock()
	return v.run.tally.Result(cluster)
}

// Results of all clusters in the order of the plan.
func (v *View) Results() []placement.ClusterResult {
	clusters := v.run.plan.Clusters()
	v.run.mu.Lock()
	defer v.run.mu.Unlock()
	results := make([]placement.ClusterResult, len(clusters))
	for i, cluster := range clusters {
		results[i], _ = v.run.tally.Result(cluster)
		results[i].Cluster = cluster
	}
	return results
}

// Work is the ManifestWork of a cluster, by its present attempt; the Operation on the cluster has the same name.
func (v *View) Work(cluster string) types.NamespacedName { return v.run.workOf(cluster) }

// ReadPreviews reads what a dry run on the hub has foreseen of each cluster, in the order of the plan; none when it was no such run.
func ReadPreviews(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation) ([]placement.Preview, error) {
	if op.Status.Plan == nil {
		return nil, nil
	}
	var all []placement.Preview
	for i := range placement.Chunks(int(op.Status.Plan.Clusters)) {
		chunk, err := ownChunk(ctx, from, op, previewName(op)+"-"+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		if chunk == nil {
			break
		}
		for cluster, line := range chunk.Data {
			var preview placement.Preview
			if err := json.Unmarshal([]byte(line), &preview); err != nil {
				return nil, fmt.Errorf("read ConfigMap %s: data[%q]: %w", chunk.Name, cluster, err)
			}
			all = append(all, preview)
		}
	}
	slices.SortFunc(all, func(a, b placement.Preview) int { return cmp.Compare(a.Order, b.Order) })
	return all, nil
}
