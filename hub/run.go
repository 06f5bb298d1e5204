// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// run is what is kept in memory of one fleet Operation. Events of ManifestWorks change it as they come; passes over the Operation read
// it. Nothing in it is the only copy: see load.
type run struct {
	key  types.NamespacedName
	uid  types.UID
	name string // of the ManifestWorks of the first attempt; see nameOf

	loading sync.Mutex // held while it is read; taken before mu

	mu     sync.Mutex
	loaded bool
	plan   placement.Plan
	added  int // how often clusters were added to the plan
	tally  *placement.Tally
	// silent are the clusters that have not answered, with the time at which they were told.
	silent map[string]time.Time
	// gone are the clusters on which a run that had been reported is not to be found any more, with the time at which that was seen.
	gone map[string]time.Time
	// troubles are the clusters whose ManifestWork could not be created.
	troubles map[string]trouble
	// told are the clusters whose ManifestWork carries the cancel.
	told map[string]bool
	// withdrawn are the clusters whose ManifestWork has been marked for withdrawal.
	withdrawn map[string]bool
	// kept results, by chunk of the plan.
	kept []keptChunk
	// wrote is when the Operation's status was written last.
	wrote time.Time
	// heard is when the oldest news came that the status does not tell yet; zero when it tells all.
	heard time.Time
	// sentLast is when this process last created ManifestWorks of the run.
	sentLast time.Time
}

// trouble with creating a ManifestWork.
type trouble struct {
	since time.Time
	err   error
}

// keptChunk says what of a chunk is stored.
type keptChunk struct {
	// final results, and marks of clusters that were started in all: those of an attempt that was only asked for are none.
	final, started int
	at             time.Time
	// urgent is set when the chunk has a result that is not stored yet and that no ManifestWork tells.
	urgent bool
}

// begin takes up a plan of which nothing was done yet.
func (r *run) begin(plan placement.Plan) {
	r.plan, r.tally, r.loaded = plan, placement.NewTally(plan), true
	r.kept = make([]keptChunk, placement.Chunks(plan.Len()))
}

// observe takes note of a ManifestWork and tells whether that changed anything. A cluster that is new and has not answered was told at a time: where that is
// not on record it is now, because a wall clock may have been set since the work was created.
func (r *run) observe(work *workv1.ManifestWork, told, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.loaded {
		return false
	}
	cluster, result := work.Namespace, resultOf(work)
	known, planned := r.tally.Result(cluster)
	if !planned || known.State.Terminal() || work.Name != r.nameOf(known.Attempt) {
		return false
	}
	result.Attempt = known.Attempt
	if result.State.Terminal() {
		result.EndedAt = placement.At(now.Add(time.Second - 1)) // rounded up, so that no soak is cut short
	}
	r.tally.Told(cluster, told)
	changed := r.tally.Apply(result)
	switch {
	case !answered(work):
		if _, waiting := r.silent[cluster]; !waiting {
			r.silent[cluster] = told
			changed = true
		}
	default:
		delete(r.silent, cluster)
	}
	if missing(work) && !result.State.Terminal() {
		if _, noted := r.gone[cluster]; !noted {
			r.gone[cluster] = now
			changed = true
		}
	} else {
		delete(r.gone, cluster)
	}
	if changed && answered(work) {
		r.hear(now)
	}
	return changed
}

// nameOf the ManifestWorks of an attempt: each has its own, so that a cluster never takes one attempt for another.
func (r *run) nameOf(attempt int32) string {
	if attempt == 0 {
		return r.name
	}
	return opsv1alpha1.RunName(r.key.Name, r.uid, "retry", strconv.Itoa(int(attempt)))
}

// workOf is the ManifestWork of a cluster, by its present attempt.
func (r *run) workOf(cluster string) types.NamespacedName {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, _ := r.tally.Result(cluster)
	return types.NamespacedName{Namespace: cluster, Name: r.nameOf(known.Attempt)}
}

// lost takes note that a ManifestWork was deleted, and tells whether its cluster was still at work on it. It is never created again: what it
// carried may be running.
func (r *run) lost(work types.NamespacedName, message string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.loaded {
		return false
	}
	cluster := work.Namespace
	if known, planned := r.tally.Result(cluster); !planned || known.State == "" || work.Name != r.nameOf(known.Attempt) {
		return false
	}
	return r.note(placement.ClusterResult{
		Cluster: cluster, State: placement.Failed, Reason: opsv1alpha1.ReasonResultLost, Message: message,
	})
}

// settle records the end of a cluster that the hub itself came to.
func (r *run) settle(result placement.ClusterResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(result)
}

// note is settle for callers that hold the lock; it tells whether anything changed.
func (r *run) note(result placement.ClusterResult) bool {
	delete(r.silent, result.Cluster)
	delete(r.gone, result.Cluster)
	delete(r.troubles, result.Cluster)
	known, _ := r.tally.Result(result.Cluster)
	result.Attempt = known.Attempt
	changed := r.tally.Apply(result)
	if i := r.tally.Index(result.Cluster); changed && i >= 0 {
		r.kept[i/placement.ChunkSize].urgent = true
	}
	return changed
}

// sent records that a cluster was told at a time.
func (r *run) sent(cluster string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.troubles, cluster)
	r.tally.Told(cluster, at)
	result := notYetReported(cluster, "")
	known, _ := r.tally.Result(cluster)
	result.Attempt = known.Attempt
	if r.tally.Apply(result) {
		r.silent[cluster] = at
	}
}

// hear takes note of the time at which news came, for callers that hold the lock. Older news that wait to be told keep theirs.
func (r *run) hear(at time.Time) {
	if r.heard.IsZero() || at.Before(r.heard) {
		r.heard = at
	}
}

// keepNews that were not told after all.
func (p *pass) keepNews() {
	if p.run != nil && !p.heard.IsZero() {
		p.run.mu.Lock()
		defer p.run.mu.Unlock()
		p.run.hear(p.heard)
	}
}

// pause is how long a pass that is due to an event waits, so that the status is written at most once an interval. The end is not
// kept waiting, and neither is a run of which nothing is known yet.
func (r *run) pause(now time.Time, interval time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.loaded || r.tally.Done() {
		return 0
	}
	return max(0, r.wrote.Add(interval).Sub(now))
}

// runs are the fleet Operations that are at work.
type runs struct {
	mu    sync.Mutex
	byUID map[types.UID]*run
}

func newRuns() *runs { return &runs{byUID: map[types.UID]*run{}} }

// of an Operation; made when there is none, and then not loaded.
func (rs *runs) of(op *opsv1alpha1.Operation) *run {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.byUID[op.UID]
	if r == nil {
		r = &run{
			key:       types.NamespacedName{Namespace: op.Namespace, Name: op.Name},
			uid:       op.UID,
			name:      opsv1alpha1.RunName(op.Name, op.UID),
			silent:    map[string]time.Time{},
			gone:      map[string]time.Time{},
			troubles:  map[string]trouble{},
			told:      map[string]bool{},
			withdrawn: map[string]bool{},
		}
		rs.byUID[op.UID] = r
	}
	return r
}

func (rs *runs) get(uid types.UID) *run {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.byUID[uid]
}

func (rs *runs) forget(uid types.UID) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.byUID, uid)
}

// forgetKey drops whatever ran under a name that does not exist any more.
func (rs *runs) forgetKey(key types.NamespacedName) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for uid, r := range rs.byUID {
		if r.key == key {
			delete(rs.byUID, uid)
		}
	}
}
