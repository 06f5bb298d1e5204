// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// indexOperation finds the ManifestWorks of an Operation in the cache, by its UID.
const indexOperation = "hub.operation"

// keepEvery so many status intervals a chunk of results is stored while more of it is to come. A chunk that is complete, or that holds
// what only the hub knows, is stored in the next pass: rewriting it for every result would cost the square of the fleet.
const keepEvery = 10

// ResultName is what the names of an Operation's result ConfigMaps begin with: NAME-0, NAME-1, ... hold the results of the clusters
// in the plan's chunk of the same number.
func ResultName(op *opsv1alpha1.Operation) string {
	return opsv1alpha1.RunName(op.Name, op.UID, opsv1alpha1.PartResult)
}

// load builds a run from what is stored: its plan, the kept results, and the live ManifestWorks. Kept results come first and are
// final, so that nothing that happened since - a work deleted by hand, a record swept away on the spoke - reopens them. It tells whether
// there is a run; without its plan there is none, and the Operation has failed.
func (r *OperationReconciler) load(ctx context.Context, p *pass) (bool, error) {
	run := r.runs.of(p.op)
	p.run = run
	run.loading.Lock() // by its own pass, or that of one that waits for it
	defer run.loading.Unlock()
	run.mu.Lock()
	loaded := run.loaded
	run.mu.Unlock()
	if loaded {
		return true, nil
	}
	op, err := r.asItIs(ctx, p.op)
	if err != nil {
		return false, err
	}
	plan, err := readPlan(ctx, r.Live, op)
	switch {
	case errors.Is(err, placement.ErrPlanCorrupt):
		giveUpAll(&p.op.Status)
		p.transition().Fail(opsv1alpha1.ReasonResultLost, fmt.Sprintf("%v; what was begun on the clusters goes on there", err))
		return false, nil
	case err != nil:
		return false, err
	}
	kept := make([][]placement.ClusterResult, placement.Chunks(plan.Len()))
	for i := range kept {
		if kept[i], err = keptResults(ctx, r.Live, op, i); err != nil {
			return false, err
		}
	}
	begun := run.resume(plan, len(op.Status.Plan.Added), kept, p.now)
	if err := r.catchUp(ctx, run, op, begun, p.now); err != nil {
		run.mu.Lock()
		run.loaded = false // or nobody would look again for what had been started
		run.mu.Unlock()
		return false, err
	}
	return true, nil
}

// catchUp with what became of the clusters of a run that had been started. From here on events count too: a work is seen by them, by the list, or by both.
func (r *OperationReconciler) catchUp(ctx context.Context, run *run, op *opsv1alpha1.Operation, begun []string, now time.Time) error {
	works, err := r.works(ctx, op)
	if err != nil {
		return err
	}
	for i := range works {
		run.observe(&works[i], works[i].CreationTimestamp.Time, now)
	}
	if err := r.findBegun(ctx, run, begun, now); err != nil {
		return err
	}
	if started := op.Status.Rollout; started != nil {
		run.missing(int(started.Started), workGone)
	} else if op.Status.ExpandedAt != nil { // by a hub of before there were rollouts
		run.missing(math.MaxInt, workGone)
	}
	return nil
}

// resume takes up a plan with what is kept of it, and says which clusters had been started by that and have no result.
func (r *run) resume(plan placement.Plan, added int, kept [][]placement.ClusterResult, now time.Time) (begun []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin(plan)
	r.added = added
	for i, results := range kept {
		for _, result := range results {
			if r.tally.Apply(result) && result.State == placement.Pending {
				begun = append(begun, result.Cluster)
			}
		}
		_, final, _ := r.tally.Chunk(i)
		r.kept[i] = keptChunk{final: final, started: startedIn(results), at: now}
	}
	return begun
}

// asItIs is an Operation as the API server has it: a cache of the past knows less of what was added to its plan, and of what was started, than its results do.
func (r *OperationReconciler) asItIs(ctx context.Context, op *opsv1alpha1.Operation) (*opsv1alpha1.Operation, error) {
	live, err := find(ctx, r.Live, client.ObjectKeyFromObject(op), &opsv1alpha1.Operation{})
	if err != nil {
		return nil, fmt.Errorf("read the Operation past the cache: %w", err)
	}
	if live == nil || live.UID != op.UID || live.Status.Plan == nil {
		return op, nil // it is gone, and so will be what is left of it
	}
	return live, nil
}

// giveUpAll counts whatever had not ended as failed: nobody will ever hear how it ends. Which clusters these are only the plan had known.
func giveUpAll(s *opsv1alpha1.OperationStatus) {
	if s.Summary == nil {
		return
	}
	for _, c := range []*opsv1alpha1.Counts{s.Summary.Clusters, s.Summary.Instances} {
		if c != nil {
			c.Failed += c.Pending + c.Blocked + c.Running
			c.Pending, c.Blocked, c.Running = 0, 0, 0
		}
	}
	if s.Summary.Clusters != nil {
		s.SetProgress(*s.Summary.Clusters)
	}
}

// workGone is what became of a cluster that had been started, and of which nothing is known.
const workGone = "its ManifestWork was deleted before its result was kept; what was begun on the cluster goes on there"

// findBegun gives up the clusters that had been started and whose ManifestWork is gone.
func (r *OperationReconciler) findBegun(ctx context.Context, run *run, begun []string, now time.Time) error {
	for _, cluster := range begun {
		key := run.workOf(cluster)
		if work, err := find(ctx, r.Client, key, &workv1.ManifestWork{}); err != nil {
			return fmt.Errorf("read ManifestWork %s: %w", key, err)
		} else if work != nil {
			continue
		}
		work, err := find(ctx, r.Live, key, &workv1.ManifestWork{}) // what was kept is newer than the cache may be
		if err != nil {
			return fmt.Errorf("read ManifestWork %s: %w", key, err)
		}
		if work != nil {
			run.observe(work, work.CreationTimestamp.Time, now)
			continue
		}
		run.lost(key, workGone)
	}
	return nil
}

// missing gives up those of the first clusters of the plan of which nothing is known although they had been started.
func (r *run) missing(first int, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, cluster := range r.tally.NotStarted(0) {
		if r.tally.Index(cluster) >= first {
			break
		}
		if known, _ := r.tally.Result(cluster); known.Attempt > 0 {
			continue // it is to be started again
		}
		r.note(placement.ClusterResult{
			Cluster: cluster, State: placement.Failed, Reason: opsv1alpha1.ReasonResultLost, Message: message,
		})
	}
}

// works of an Operation in the cache.
func (r *OperationReconciler) works(ctx context.Context, op *opsv1alpha1.Operation) ([]workv1.ManifestWork, error) {
	list := &workv1.ManifestWorkList{}
	if err := r.List(ctx, list, client.MatchingFields{indexOperation: string(op.UID)}); err != nil {
		return nil, fmt.Errorf("list ManifestWorks: %w", err)
	}
	return list.Items, nil
}

func keptResults(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation, i int) ([]placement.ClusterResult, error) {
	chunk, err := ownChunk(ctx, from, op, ResultName(op)+"-"+strconv.Itoa(i))
	if err != nil || chunk == nil {
		return nil, err
	}
	results, err := placement.DecodeResults(chunk.BinaryData[chunkKey])
	if err != nil {
		// Somebody has damaged it. Live works say it again; of the others it is lost, and they must not be run again.
		logf.FromContext(ctx).Error(err, "kept results cannot be read", "chunk", i)
		return nil, nil
	}
	return results, nil
}

// keep stores final results, and which clusters were started: every one that is not stored yet when all is set, else those that are due.
func (r *OperationReconciler) keep(ctx context.Context, p *pass, all bool) error {
	for i := range len(p.run.kept) {
		results, final, wait := p.run.unkept(i, p.now, keepEvery*r.StatusInterval, all)
		p.after(wait)
		if results == nil {
			continue
		}
		data, err := placement.EncodeResults(results)
		if err != nil {
			return err
		}
		if err := r.storeResults(ctx, p.op, i, data); err != nil {
			return fmt.Errorf("store chunk %d of the results: %w", i, err)
		}
		p.run.stored(i, keptChunk{final: final, started: startedIn(results), at: p.now})
	}
	return nil
}

// unkept is what is to be stored of a chunk now, with how many final results; nil when nothing is, and if something will be, when.
func (r *run) unkept(i int, now time.Time, every time.Duration, all bool) (results []placement.ClusterResult, final int, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i >= len(r.kept) {
		return nil, 0, 0
	}
	kept := &r.kept[i]
	results, final, size := r.tally.Chunk(i)
	switch {
	case final == kept.final && startedIn(results) == kept.started && !kept.urgent:
		return nil, 0, 0
	case final == kept.final && kept.at.IsZero(): // nothing but starts, which a result that is on its way may save
		kept.at = now
	}
	due := final != kept.final && (all || final == size) || kept.urgent
	if left := kept.at.Add(every).Sub(now); !due && left > 0 {
		return nil, 0, left
	}
	return results, final, 0
}

// startedIn so many of some results that are kept: of the others it is kept that they are to be started again.
func startedIn(results []placement.ClusterResult) (n int) {
	for _, result := range results {
		if result.State != "" {
			n++
		}
	}
	return n
}

// stored records what of a chunk is stored. A result that came while it was being written is still to be.
func (r *run) stored(i int, now keptChunk) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, final, _ := r.tally.Chunk(i)
	now.urgent = r.kept[i].urgent && final > now.final
	r.kept[i] = now
}

func (r *OperationReconciler) storeResults(ctx context.Context, op *opsv1alpha1.Operation, i int, data []byte) error {
	chunk := chunkMap(op, ResultName(op), opsv1alpha1.PartResult, i, data)
	err := r.Create(ctx, chunk)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	old, err := ownChunk(ctx, r.Live, op, chunk.Name)
	if err != nil {
		return err
	}
	if old == nil {
		return errors.New("the ConfigMap existed and is gone again")
	}
	chunk.ResourceVersion = old.ResourceVersion
	return r.Update(ctx, chunk)
}

// retire looks after an Operation that has ended: its ManifestWorks go when their retention is over, then the finalizer, and at last the
// Operation itself when it has a TTL. An Operation that has been retired costs nothing, neither a request nor memory.
func (r *OperationReconciler) retire(ctx context.Context, p *pass) error {
	if controllerutil.ContainsFinalizer(p.op, opsv1alpha1.OperationFinalizer) {
		if done, err := r.clearWorks(ctx, p); err != nil || !done {
			return errors.Join(err, r.sweep(ctx, p))
		}
		if err := r.dropFinalizer(ctx, p, opsv1alpha1.OperationFinalizer); err != nil {
			return err
		}
	}
	r.runs.forget(p.op.UID)
	return r.sweep(ctx, p)
}

// clearWorks deletes the ManifestWorks of a run that has ended and tells whether all are gone or on their way. Their results were
// stored before the run could end.
func (r *OperationReconciler) clearWorks(ctx context.Context, p *pass) (bool, error) {
	if loaded, err := r.load(ctx, p); err != nil {
		return false, err
	} else if loaded {
		if err := r.withdrawKept(ctx, p); err != nil {
			return false, err
		}
	}
	if p.op.Status.FinishedAt != nil {
		if left := p.op.Status.FinishedAt.Add(r.WorkRetention).Sub(p.now); left > 0 {
			p.after(left)
			return false, nil
		}
	}
	works, err := r.liveWorks(ctx, p.op)
	if err != nil {
		return false, err
	}
	var errs []error
	left, err := inTurn(ctx, r, p, works, sweepTurn, func(ctx context.Context, w metav1.PartialObjectMetadata) error {
		return r.dropWork(ctx, p, w)
	}, func(w metav1.PartialObjectMetadata, err error) {
		errs = append(errs, fmt.Errorf("delete ManifestWork %s/%s: %w", w.Namespace, w.Name, err))
	})
	return !left, errors.Join(append(errs, err)...)
}

// sweep deletes the Operation when its TTL is over.
func (r *OperationReconciler) sweep(ctx context.Context, p *pass) error {
	ttl, ended := p.op.Spec.TTLSecondsAfterFinished, p.op.Status.FinishedAt
	if ttl == nil || ended == nil {
		return nil
	}
	if left := ended.Add(time.Duration(*ttl) * time.Second).Sub(p.now); left > 0 {
		p.after(left)
		return nil
	}
	if held, err := r.neededYet(ctx, p); err != nil || held {
		return err
	}
	err := r.Delete(ctx, p.op, client.Preconditions{UID: &p.op.UID})
	if err = client.IgnoreNotFound(err); err != nil {
		return fmt.Errorf("delete the Operation after its TTL: %w", err)
	}
	return nil
}

// dropFinalizer lets the Operation go, as far as that finalizer kept it. The status is untouched.
func (r *OperationReconciler) dropFinalizer(ctx context.Context, p *pass, finalizer string) error {
	before := p.op.DeepCopy()
	controllerutil.RemoveFinalizer(p.op, finalizer)
	if err := r.Patch(ctx, p.op, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return client.IgnoreNotFound(err)
	}
	p.stored = p.op.DeepCopy()
	return nil
}
