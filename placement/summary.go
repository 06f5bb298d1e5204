// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"maps"
	"slices"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Tally adds up the results of a plan's clusters. Every event changes the counters by a difference, so that it costs the same on a
// fleet of ten and of ten thousand. In whatever order events arrive, and however often, the tally equals a recount from scratch.
//
// A Tally is not safe for concurrent use.
type Tally struct {
	clusters  []string
	index     map[string]int
	results   []ClusterResult
	told      []time.Time // when each was told, by the hub's clock
	counts    opsv1alpha1.Counts
	instances opsv1alpha1.Counts
	noTargets int32
	started   int
	failed    []int // indexes of the first MaxFailures failed clusters of the plan, ascending
	held      map[int]bool
}

// NewTally of a plan of which nothing is known yet: every cluster is pending and not started.
func NewTally(p Plan) *Tally {
	clusters := p.Clusters()
	t := &Tally{
		clusters: clusters,
		index:    make(map[string]int, len(clusters)),
		results:  make([]ClusterResult, len(clusters)),
		told:     make([]time.Time, len(clusters)),
		held:     map[int]bool{},
	}
	for i, c := range clusters {
		t.index[c] = i
		t.results[i].Cluster = c
	}
	t.counts.Total = int32(len(clusters))
	t.counts.Pending = t.counts.Total
	return t
}

// Apply takes note of a result and tells whether it changed anything. A final result stays; so does a state that is further on. A result of a later attempt
// takes the place of whatever was known; one without a state says that the attempt was asked for and the cluster not started.
func (t *Tally) Apply(r ClusterResult) bool {
	i, planned := t.index[r.Cluster]
	if !planned || r.Attempt < t.results[i].Attempt {
		return false
	}
	if r.Attempt > t.results[i].Attempt {
		t.reopen(i, r.Attempt)
		if r.State == "" {
			return true
		}
	}
	old := t.results[i]
	if old.State.Terminal() || r.State.rank() < old.State.rank() || r == old {
		return false
	}
	r.Message = opsv1alpha1.Truncate(r.Message, opsv1alpha1.MaxMessage)
	if old.State == "" {
		t.started++
	}
	*t.counter(old.State)--
	*t.counter(r.State)++
	add(&t.instances, old.Instances, -1)
	add(&t.instances, r.Instances, +1)
	t.results[i] = r
	if r.held() {
		t.held[i] = true
	} else {
		delete(t.held, i)
	}
	if r.State == Succeeded && r.Reason == opsv1alpha1.ReasonNoTargets {
		t.noTargets++
	}
	if r.State == Failed {
		t.noteFailure(i)
	}
	return true
}

// reopen a cluster for another attempt: nothing is known of it any more.
func (t *Tally) reopen(i int, attempt int32) {
	old := t.results[i]
	t.results[i] = ClusterResult{Cluster: old.Cluster, Attempt: attempt}
	t.told[i] = time.Time{}
	delete(t.held, i)
	if old.State == "" {
		return
	}
	t.started--
	*t.counter(old.State)--
	t.counts.Pending++
	add(&t.instances, old.Instances, -1)
	if old.State == Succeeded && old.Reason == opsv1alpha1.ReasonNoTargets {
		t.noTargets--
	}
	if old.State == Failed {
		t.failed = t.failed[:0]
		for n := range t.results {
			if t.results[n].State == Failed {
				t.noteFailure(n)
			}
		}
	}
}

// noteFailure keeps the failed clusters that come first in the plan, not those that were heard of first: after a restart the same
// failures are shown.
func (t *Tally) noteFailure(i int) {
	at, _ := slices.BinarySearch(t.failed, i)
	if at >= opsv1alpha1.MaxFailures {
		return
	}
	t.failed = slices.Insert(t.failed, at, i)
	if len(t.failed) > opsv1alpha1.MaxFailures {
		t.failed = t.failed[:opsv1alpha1.MaxFailures]
	}
}

func (t *Tally) counter(s State) *int32 { return counterOf(&t.counts, s) }

// counterOf a state; a cluster that was not started counts as pending.
func counterOf(c *opsv1alpha1.Counts, s State) *int32 {
	switch s {
	case Blocked:
		return &c.Blocked
	case Running:
		return &c.Running
	case Succeeded:
		return &c.Succeeded
	case Failed:
		return &c.Failed
	case Cancelled:
		return &c.Cancelled
	case Skipped:
		return &c.Skipped
	case Pending:
		return &c.Pending
	default:
		return &c.Pending
	}
}

func add(sum *opsv1alpha1.Counts, c opsv1alpha1.Counts, sign int32) {
	sum.Total += sign * c.Total
	sum.Pending += sign * c.Pending
	sum.Blocked += sign * c.Blocked
	sum.Running += sign * c.Running
	sum.Succeeded += sign * c.Succeeded
	sum.Failed += sign * c.Failed
	sum.Cancelled += sign * c.Cancelled
	sum.Skipped += sign * c.Skipped
}

// Clusters by state.
func (t *Tally) Clusters() opsv1alpha1.Counts { return t.counts }

// Instances by state, over the clusters that have reported.
func (t *Tally) Instances() opsv1alpha1.Counts { return t.instances }

// Done tells whether every cluster has ended.
func (t *Tally) Done() bool { return t.counts.Done() == t.counts.Total }

// Result of a cluster, and whether the plan has that cluster. A result without a state is one of a cluster that was not started.
func (t *Tally) Result(cluster string) (ClusterResult, bool) {
	i, planned := t.index[cluster]
	if !planned {
		return ClusterResult{}, false
	}
	return t.results[i], true
}

// Index of a cluster in the plan, or -1.
func (t *Tally) Index(cluster string) int {
	if i, planned := t.index[cluster]; planned {
		return i
	}
	return -1
}

// NotStarted are up to limit clusters of which nothing is known, in the order of the plan; 0 means all of them.
func (t *Tally) NotStarted(limit int) []string {
	missing := len(t.clusters) - t.started
	if limit > 0 {
		missing = min(missing, limit)
	}
	if missing == 0 {
		return nil
	}
	names := make([]string, 0, missing)
	for i := 0; i < len(t.results) && len(names) < missing; i++ {
		if t.results[i].State == "" {
			names = append(names, t.clusters[i])
		}
	}
	return names
}

// Unended are the clusters that have not ended, in the order of the plan: those too that were not started.
func (t *Tally) Unended() (names []string) {
	for i := range t.results {
		if !t.results[i].State.Terminal() {
			names = append(names, t.clusters[i])
		}
	}
	return names
}

// leftFrom tells whether a cluster from an index on was not started.
func (t *Tally) leftFrom(from int) bool {
	return t.started < len(t.clusters) && slices.ContainsFunc(t.results[from:], func(r ClusterResult) bool { return r.State == "" })
}

// Told takes note of when a cluster was told; the first time counts.
func (t *Tally) Told(cluster string, at time.Time) {
	if i, planned := t.index[cluster]; planned && t.told[i].IsZero() {
		t.told[i] = at
	}
}

// Prefix is how many clusters, from the first of the plan on, were started.
func (t *Tally) Prefix() int {
	if t.started == len(t.clusters) {
		return t.started
	}
	return slices.IndexFunc(t.results, func(r ClusterResult) bool { return r.State == "" })
}

// Started tells whether something is known of every cluster.
func (t *Tally) Started() bool { return t.started == len(t.clusters) }

// InFlight is how many clusters were started and have not ended.
func (t *Tally) InFlight() int { return t.started - int(t.counts.Done()) }

// Chunk is what is to be kept of the clusters in chunk i of the plan, in the order of the plan: their final results; and of those that have been started,
// or are to be started again, that they have. final is how many there are of the former, size how many clusters the chunk has.
func (t *Tally) Chunk(i int) (kept []ClusterResult, final, size int) {
	from, to := i*ChunkSize, min((i+1)*ChunkSize, len(t.results))
	for _, r := range t.results[from:to] {
		switch {
		case r.State.Terminal():
			final++
			kept = append(kept, r)
		case r.State != "":
			kept = append(kept, ClusterResult{Cluster: r.Cluster, State: Pending, Attempt: r.Attempt})
		case r.Attempt > 0:
			kept = append(kept, ClusterResult{Cluster: r.Cluster, Attempt: r.Attempt})
		}
	}
	return kept, final, to - from
}

// Failures are the first MaxFailures failed clusters of the plan with their causes.
func (t *Tally) Failures() []opsv1alpha1.Failure {
	if len(t.failed) == 0 {
		return nil
	}
	failures := make([]opsv1alpha1.Failure, len(t.failed))
	for n, i := range t.failed {
		r := t.results[i]
		failures[n] = opsv1alpha1.Failure{Name: r.Cluster, Reason: r.Reason, Message: r.Message}
	}
	return failures
}

// Progress in a sentence, with what keeps the first of the clusters that wait.
func (t *Tally) Progress() string {
	c := t.counts
	s := fmt.Sprintf("%d of %d clusters ended", c.Done(), c.Total)
	for _, part := range []struct {
		n    int32
		what string
	}{{c.Running, "running"}, {c.Blocked, "blocked"}, {c.Pending, "pending"}, {c.Failed, "failed"}, {c.Skipped, "skipped"}} {
		if part.n > 0 {
			s += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	if len(t.held) > 0 {
		first := t.results[slices.Min(slices.Collect(maps.Keys(t.held)))]
		s += fmt.Sprintf("; %d waiting: %s", len(t.held), first.Cluster)
		if cause := first.Cause(); cause != "" {
			s += ": " + cause
		}
	}
	return s
}

// Verdict is how a run ended. It must only be asked for when the tally is Done.
func (t *Tally) Verdict() (phase opsv1alpha1.OperationPhase, reason, message string) {
	c := t.counts
	switch {
	case c.Failed > 0:
		first := t.results[t.failed[0]]
		message = fmt.Sprintf("%d of %d clusters failed: %s: %s", c.Failed, c.Total, first.Cluster, first.Cause())
		return opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, message
	case c.Cancelled > 0:
		message = fmt.Sprintf("cancelled on %d of %d clusters, %d had succeeded", c.Cancelled, c.Total, c.Succeeded)
		return opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, message
	case c.Total > 0 && t.noTargets == c.Total:
		message = fmt.Sprintf("no ApplicationInstance matches the selector on any of %d clusters", c.Total)
		return opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonNoTargets, message
	case c.Skipped > 0:
		first := t.results[slices.IndexFunc(t.results, func(r ClusterResult) bool { return r.State == Skipped })]
		message = fmt.Sprintf("%d of %d clusters succeeded, %d were left out: %s: %s", c.Succeeded, c.Total, c.Skipped, first.Cluster, first.Cause())
		if c.Succeeded == 0 { // so that nothing was done
			return opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeSkipped, message
		}
		return opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonSomeSkipped, message
	default:
		message = fmt.Sprintf("%d of %d clusters succeeded", c.Succeeded, c.Total)
		return opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, message
	}
}
