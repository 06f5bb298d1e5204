// SPDX-License-Identifier: Apache-2.0

package crowd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// Runs are Operations, one on each cluster, and every Job that there ever was for them.
type Runs struct {
	crowd *Crowd
	ops   map[string]*opsv1alpha1.Operation

	mu sync.Mutex
	// jobs by Operation, each by its UID: one that was deleted, and made again under its name, is another.
	jobs map[string]map[types.UID]bool
}

// Run creates an Operation on each of the clusters whose pod runs for a while. Jobs are counted until ctx ends.
func (c *Crowd) Run(ctx context.Context, name string, clusters []*Cluster, takes time.Duration) (*Runs, error) {
	r := &Runs{crowd: c, ops: map[string]*opsv1alpha1.Operation{}, jobs: map[string]map[types.UID]bool{}}
	watched := map[client.WithWatch]bool{}
	for _, cl := range clusters {
		if !watched[cl.Admin] {
			watched[cl.Admin] = true
			if err := r.count(ctx, cl.Admin); err != nil {
				return nil, err
			}
		}
	}
	parameters, err := json.Marshal(map[string]any{
		"image": "registry.example.com/shop:1.0.0", "command": []string{"true"},
		"podAnnotations": map[string]string{testbed.AnnotationDuration: takes.String()},
	})
	if err != nil {
		return nil, err
	}
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, cl := range clusters {
		op := &opsv1alpha1.Operation{
			ObjectMeta: metav1.ObjectMeta{Namespace: cl.Namespace, Name: name},
			Spec: opsv1alpha1.OperationSpec{
				TargetRef: &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: instance},
				Type:      opsv1alpha1.TypeRunCommand, Engine: opsv1alpha1.EngineJob, Parameters: &runtime.RawExtension{Raw: parameters},
			},
		}
		r.ops[cl.Name] = op
		group.Go(func() error { return cl.Admin.Create(ctx2, op) })
	}
	return r, group.Wait()
}

// count every Job of an API server that belongs to an Operation.
func (r *Runs) count(ctx context.Context, admin client.WithWatch) error {
	w, err := admin.Watch(ctx, &batchv1.JobList{}, client.HasLabels{opsv1alpha1.LabelOperation})
	if err != nil {
		return err
	}
	go func() {
		defer w.Stop()
		for e := range w.ResultChan() {
			if job, ok := e.Object.(*batchv1.Job); ok {
				r.saw(job)
			}
		}
	}()
	return nil
}

func (r *Runs) saw(job *batchv1.Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	uid := job.Labels[opsv1alpha1.LabelOperation]
	if r.jobs[uid] == nil {
		r.jobs[uid] = map[types.UID]bool{}
	}
	r.jobs[uid][job.UID] = true
}

// Phases counts the Operations by phase, of those on some clusters, or of all.
func (r *Runs) Phases(ctx context.Context, clusters ...string) (map[opsv1alpha1.OperationPhase]int, error) {
	wanted := map[string]bool{}
	for _, c := range clusters {
		wanted[c] = true
	}
	phases := map[opsv1alpha1.OperationPhase]int{}
	for _, cl := range r.crowd.Clusters {
		op, ok := r.ops[cl.Name]
		if !ok || len(clusters) > 0 && !wanted[cl.Name] {
			continue
		}
		if err := cl.Admin.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return nil, err
		}
		phases[op.Status.Phase]++
	}
	return phases, nil
}

// Twice names the clusters on which an Operation that has succeeded had another number of Jobs than one. That of a real one is looked at as well.
func (r *Runs) Twice(ctx context.Context) (wrong []string, err error) {
	r.mu.Lock()
	seen := maps.Clone(r.jobs)
	r.mu.Unlock()
	for _, cl := range r.crowd.Clusters {
		op, ok := r.ops[cl.Name]
		if !ok {
			continue
		}
		var now batchv1.JobList
		if err := cl.Admin.List(ctx, &now, client.InNamespace(cl.Namespace), client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)}); err != nil {
			return nil, err
		}
		all := maps.Clone(seen[string(op.UID)])
		if all == nil {
			all = map[types.UID]bool{}
		}
		for _, job := range now.Items {
			all[job.UID] = true
		}
		if len(all) != 1 {
			wrong = append(wrong, fmt.Sprintf("%s: %d Jobs", cl.Name, len(all)))
		}
	}
	return wrong, nil
}
