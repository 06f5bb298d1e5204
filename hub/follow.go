// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// follows keeps up with the Placement of a run whose spec.placement.onChange says so: clusters that it selects no more, and that were not started, are left out; those
// that it has come to select are added to the end of the plan. What is added is stored first, then named by the status, and acted on when the API server
// has accepted that. It tells whether something was, so that the run must not end.
func (r *OperationReconciler) follows(ctx context.Context, p *pass) (grows bool, err error) {
	if err := r.grow(ctx, p); err != nil {
		return false, err
	}
	if spec := p.op.Spec; spec.Placement == nil || spec.Placement.OnChange != opsv1alpha1.ChangeFollow || spec.Cancel {
		return false, nil
	}
	if at, _ := earlierField(&p.op.Spec); at != nil || p.run.differs() {
		return false, nil // it may have been set since what makes no sense was refused
	}
	joined, left, err := r.changes(ctx, p)
	if err != nil {
		return false, err
	}
	for _, cluster := range left {
		p.run.leave(cluster, p.op.Spec.Placement.PlacementRef.Name)
	}
	if len(joined) == 0 {
		return false, nil
	}
	return true, r.addToPlan(ctx, p, joined)
}

// changes are the clusters that the Placement has come to select, in their groups, and those that have not been started and that it selects no more. Neither is
// taken back later, so that what the cache says is confirmed: it may be of a time when what joined since was not selected yet.
func (r *OperationReconciler) changes(ctx context.Context, p *pass) (joined []placement.Group, left []string, err error) {
	for _, from := range []client.Reader{r.Client, r.Live} {
		groups, obstacle, err := r.decided(ctx, from, p.op)
		if err != nil || obstacle != nil && obstacle.reason != opsv1alpha1.ReasonNoClusters {
			return nil, nil, err // the plan holds until the Placement has been decided again
		}
		joined, left = p.run.against(groups)
		if len(p.op.Status.Plan.Added) >= placement.MaxAdditions {
			joined = nil
		}
		if len(joined)+len(left) == 0 {
			return nil, nil, nil
		}
	}
	return joined, left, nil
}

// against what a Placement selects: the clusters that are not planned, and those that are, and have not been started.
func (r *run) against(groups []placement.Group) (joined []placement.Group, left []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	joined, left = placement.Changes(r.plan, groups)
	left = slices.DeleteFunc(left, func(cluster string) bool { return !r.untouched(cluster) })
	return joined, left
}

// untouched tells whether a cluster has not been started, for callers that hold the lock.
func (r *run) untouched(cluster string) bool {
	known, _ := r.tally.Result(cluster)
	return known.State == "" && known.Attempt == 0
}

// differs tells whether clusters are given parameters of their own. What one that joins would be given cannot be refused any more, so that none does.
func (r *run) differs() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.plan.Blanks) > 0
}

// leave a cluster out, if it has not been started.
func (r *run) leave(cluster, from string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.untouched(cluster) {
		r.note(placement.ClusterResult{
			Cluster: cluster, State: placement.Skipped, Reason: opsv1alpha1.ReasonLeftPlacement,
			Message: fmt.Sprintf("Placement %s selected it no more, before it was begun", from),
		})
	}
}

// addToPlan stores a chunk, and names it in the status.
func (r *OperationReconciler) addToPlan(ctx context.Context, p *pass, joined []placement.Group) error {
	data, clusters, err := placement.EncodeAddition(joined)
	if err != nil {
		return err
	}
	plan := p.op.Status.Plan
	chunk := planChunk(p.op, int(plan.Chunks)+len(plan.Added), data)
	if err := r.storeAddition(ctx, p.op, chunk); err != nil {
		return fmt.Errorf("write chunk %s of the plan: %w", chunk.Name, err)
	}
	plan.Added = append(plan.Added, placement.Digest(data))
	plan.Clusters += int32(clusters)
	p.after(r.StatusInterval)
	return nil
}

// storeAddition creates a chunk in the place of one that the status has never named, which a hub left behind that was broken off.
func (r *OperationReconciler) storeAddition(ctx context.Context, op *opsv1alpha1.Operation, chunk *corev1.ConfigMap) error {
	err := r.Create(ctx, chunk)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	old, err := find(ctx, r.Live, client.ObjectKeyFromObject(chunk), &corev1.ConfigMap{})
	if err != nil || old != nil && same(old, chunk) {
		return err
	}
	live, err := find(ctx, r.Live, client.ObjectKeyFromObject(op), &opsv1alpha1.Operation{})
	if err != nil {
		return err
	}
	if live == nil || live.UID != op.UID || live.Status.Plan == nil || len(live.Status.Plan.Added) != len(op.Status.Plan.Added) {
		return apierrors.NewConflict(schema.GroupResource{Group: opsv1alpha1.GroupVersion.Group, Resource: "operations"}, op.Name, errors.New("its plan has been added to"))
	}
	if old != nil {
		if err := r.Delete(ctx, old, client.Preconditions{UID: &old.UID}); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return r.Create(ctx, chunk)
}

// readAddition reads the next chunk that was added to a plan, and adds it to one in memory. It fails with placement.ErrPlanCorrupt when that is not what is stored.
func readAddition(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation, n int, plan *placement.Plan) ([]placement.Group, error) {
	recorded := op.Status.Plan
	name := recorded.Name + "-" + strconv.Itoa(int(recorded.Chunks)+n)
	chunk, err := ownChunk(ctx, from, op, name)
	if err != nil {
		return nil, err
	}
	if chunk == nil || placement.Digest(chunk.BinaryData[chunkKey]) != recorded.Added[n] {
		return nil, fmt.Errorf("%w: ConfigMap %s is missing, or not the one that was written", placement.ErrPlanCorrupt, name)
	}
	return plan.Add(chunk.BinaryData[chunkKey])
}

// grow a run by what the API server says has been added to its plan.
func (r *OperationReconciler) grow(ctx context.Context, p *pass) error {
	for p.run.additions() < len(p.stored.Status.Plan.Added) {
		n := p.run.additions()
		p.run.mu.Lock()
		plan := p.run.plan
		p.run.mu.Unlock()
		groups, err := readAddition(ctx, r.Live, p.stored, n, &plan)
		if err != nil {
			return err
		}
		p.run.grown(plan, groups)
	}
	return nil
}

// additions that the run knows of.
func (r *run) additions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.added
}

// grown takes up clusters that were added.
func (r *run) grown(plan placement.Plan, groups []placement.Group) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plan = plan
	r.tally.Add(groups)
	r.kept = append(r.kept, make([]keptChunk, placement.Chunks(plan.Len())-len(r.kept))...)
	r.added++
}
