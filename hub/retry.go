// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// retry begins the attempt that spec.retry asks for: what the clusters had come to is put aside, it is stored that they are to be started again, and only
// then are they. It may be broken off anywhere and begun anew: clusters that have been opened for the attempt are left alone. It tells whether something is
// still in the way, so that the run must not end.
func (r *OperationReconciler) retry(ctx context.Context, p *pass) (waits bool, err error) {
	asked := p.op.Spec.Retry
	if asked == nil || p.op.Spec.Cancel || asked.Attempt <= attemptOf(p.op.Status.Rollout) {
		return false, nil
	}
	if p.run.rollsBack(p.op.Spec, p.now) {
		return false, nil // what was not begun has been given up
	}
	again, ready := p.run.toRetry(*asked)
	if !ready {
		p.after(r.StatusInterval)
		return true, nil
	}
	if err := r.putAside(ctx, p, asked.Attempt, again); err != nil {
		return true, err
	}
	if err := r.reopen(ctx, p, asked.Attempt, again); err != nil {
		return true, err
	}
	if p.op.Status.Rollout == nil {
		p.op.Status.Rollout = &opsv1alpha1.RolloutStatus{}
	}
	p.op.Status.Rollout.Attempt = asked.Attempt
	return false, nil
}

func attemptOf(s *opsv1alpha1.RolloutStatus) int32 {
	if s == nil {
		return 0
	}
	return s.Attempt
}

// toRetry are the results, by chunk, of the clusters that an attempt starts again. It is not ready while what was sent to one of them in vain has not been
// taken back: it might run late, beside the new one.
func (r *run) toRetry(asked opsv1alpha1.RetrySpec) (again [][]placement.ClusterResult, ready bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	again = make([][]placement.ClusterResult, len(r.kept))
	for i := range again {
		results, _, _ := r.tally.Chunk(i)
		for _, result := range results {
			if result.Attempt >= asked.Attempt || !result.Retries(asked.Of) {
				continue
			}
			if result.Withdrawn && !r.withdrawn[result.Cluster] {
				return nil, false
			}
			again[i] = append(again[i], result)
		}
	}
	return again, true
}

// rollsBack tells whether it was decided that a run is put back.
func (r *run) rollsBack(spec opsv1alpha1.OperationSpec, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return placement.For(spec).Decide(r.plan, r.tally, placement.Gates{}, now, 1).RollBack
}

// putAside stores what clusters have come to before they are started again, for people to read: NAME-before-ATTEMPT-N, beside the results. What is there by then, of
// a hub that was broken off or of the pass before, stays, and those are added that have ended since.
func (r *OperationReconciler) putAside(ctx context.Context, p *pass, attempt int32, again [][]placement.ClusterResult) error {
	for i, results := range again {
		if len(results) == 0 {
			continue
		}
		if err := r.addEarlier(ctx, p.op, asideName(p.op, attempt), i, results); err != nil {
			return fmt.Errorf("store what chunk %d had come to before attempt %d: %w", i, attempt, err)
		}
	}
	return nil
}

func (r *OperationReconciler) addEarlier(ctx context.Context, op *opsv1alpha1.Operation, name string, i int, results []placement.ClusterResult) error {
	data, err := placement.EncodeResults(results)
	if err != nil {
		return err
	}
	chunk := chunkMap(op, name, opsv1alpha1.PartEarlier, i, data)
	if err := r.Create(ctx, chunk); !apierrors.IsAlreadyExists(err) {
		return err
	}
	old, err := ownChunk(ctx, r.Live, op, chunk.Name)
	if err != nil {
		return err
	}
	if old == nil {
		return errors.New("the ConfigMap existed and is gone again")
	}
	earlier, err := placement.DecodeResults(old.BinaryData[chunkKey])
	if err != nil {
		earlier = nil // somebody has damaged it: what is known now is better
	}
	first := len(earlier)
	for _, result := range results {
		if !slices.ContainsFunc(earlier[:first], func(known placement.ClusterResult) bool { return known.Cluster == result.Cluster }) {
			earlier = append(earlier, result)
		}
	}
	if len(earlier) == first {
		return nil
	}
	if chunk.BinaryData[chunkKey], err = placement.EncodeResults(earlier); err != nil {
		return err
	}
	chunk.ResourceVersion = old.ResourceVersion
	return r.Update(ctx, chunk)
}

// reopen clusters: what is stored first, then what is known.
func (r *OperationReconciler) reopen(ctx context.Context, p *pass, attempt int32, again [][]placement.ClusterResult) error {
	for i, results := range again {
		if len(results) == 0 {
			continue
		}
		reopened := map[string]bool{}
		for _, result := range results {
			reopened[result.Cluster] = true
		}
		p.run.mu.Lock()
		all, _, _ := p.run.tally.Chunk(i)
		p.run.mu.Unlock()
		for n, result := range all {
			if reopened[result.Cluster] {
				all[n] = placement.ClusterResult{Cluster: result.Cluster, Attempt: attempt}
			}
		}
		data, err := placement.EncodeResults(all)
		if err != nil {
			return err
		}
		if err := r.storeResults(ctx, p.op, i, data); err != nil {
			return fmt.Errorf("store that clusters of chunk %d are to be started again: %w", i, err)
		}
		kept := keptChunk{started: startedIn(all), at: p.now}
		for _, result := range all {
			if result.State.Terminal() {
				kept.final++
			}
		}
		p.run.reopened(i, results, attempt, kept)
	}
	return nil
}

// reopened takes note of what has been stored.
func (r *run) reopened(chunk int, results []placement.ClusterResult, attempt int32, kept keptChunk) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, result := range results {
		r.tally.Apply(placement.ClusterResult{Cluster: result.Cluster, Attempt: attempt})
		for _, known := range []map[string]bool{r.told, r.withdrawn} {
			delete(known, result.Cluster)
		}
		delete(r.silent, result.Cluster)
		delete(r.gone, result.Cluster)
		delete(r.troubles, result.Cluster)
	}
	kept.urgent = r.kept[chunk].urgent
	r.kept[chunk] = kept
}
