// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/hub/odoo/wire"
	"vworkspace.io/fleet/placement"
)

// resultsEvery so often, at most, the results of a run that goes on are read.
const resultsEvery = 5 * time.Second

// chunk is which results of a chunk were told, in four bytes each: marks of them, ascending. Where two results that are there now have one mark, which hardly ever
// happens, it is not known which of them was told, and both are told again: nothing is lost, and the receiver knows their keys.
type chunk []uint32

// mark of a result.
func mark(r placement.ClusterResult) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(r.Cluster))
	_, _ = h.Write([]byte{0, byte(r.Attempt), byte(r.Attempt >> 8)})
	return h.Sum32()
}

// results tells the results of one chunk that were not told, and whether all was taken.
func (c *cursor) results(v view, i int, results []placement.ClusterResult, take taker) bool {
	more := c.detailed()
	known := more.chunks[i]
	shared := sharedMarks(results)
	told := make(chunk, 0, len(results))
	all := true
	for _, r := range results {
		m := mark(r)
		_, before := slices.BinarySearch(known, m)
		if before && !shared[m] || all && take(v.result(r, int64(c.told))) {
			told = append(told, m)
			continue
		}
		all = false
	}
	slices.Sort(told)
	more.chunks = slices.Clone(more.chunks)
	more.chunks[i] = slices.Clip(slices.Compact(told))
	c.more = &more
	return all
}

// sharedMarks are those that more than one result has.
func sharedMarks(results []placement.ClusterResult) map[uint32]bool {
	seen, shared := make(map[uint32]bool, len(results)), map[uint32]bool{}
	for _, r := range results {
		m := mark(r)
		if seen[m] {
			shared[m] = true
		}
		seen[m] = true
	}
	return shared
}

// result is the event of a cluster's result. It comes after the transition of the Operation that was told last.
func (v view) result(r placement.ClusterResult, sequence int64) event {
	at := r.FinishedAt
	if at.IsZero() {
		at = r.EndedAt
	}
	e := v.event("result/"+string(v.UID)+"/"+r.Cluster+"/"+strconv.Itoa(int(r.Attempt)), wire.EventClusterResult, at, sequence)
	e.Cluster = r.Cluster
	reason := r.Reason
	if reason == "" {
		reason = stateCondition(r.State)
	}
	e.Conditions = []metav1.Condition{{
		Type: stateCondition(r.State), Status: metav1.ConditionTrue, Reason: reason, Message: r.Message, LastTransitionTime: metav1.NewTime(at.UTC()),
	}}
	return e
}

// stateCondition is what a final state is called in an event.
func stateCondition(s placement.State) string {
	switch s {
	case placement.Succeeded:
		return "Succeeded"
	case placement.Failed:
		return "Failed"
	case placement.Cancelled:
		return "Cancelled"
	default:
		return "Skipped"
	}
}

// reads says whether results are to be read now, or else when: in Unix seconds, 0 for not at all. They are, when clusters have ended of which it was not told, when
// an attempt has begun, and at the end.
func (c *cursor) reads(v view, now time.Time) (due bool, at int64) {
	n := hub.ResultChunks(v.Operation)
	attempt := int32(0)
	if v.Status.Rollout != nil {
		attempt = v.Status.Rollout.Attempt
	}
	more := c.detailed()
	if attempt != more.attempt || len(more.chunks) != n {
		chunks := make([]chunk, n)
		if attempt == more.attempt {
			copy(chunks, more.chunks) // clusters were added
		}
		more = details{attempt: attempt, chunks: chunks, nextRead: more.nextRead}
	}
	switch {
	case n == 0:
		return false, 0
	case v.Status.Phase.Terminal() || v.leaves():
		due = !c.over && !c.gone
	case endedOf(v) == more.ended:
	case now.Unix() < more.nextRead:
		return false, more.nextRead
	default:
		due = true
	}
	if due {
		c.more = &more
	}
	return due, 0
}

// whole tells whether all results that a chunk will ever have were told, so that it need not be read again, and how many they are. Of a run that is tried again it is not
// known.
func (c *cursor) whole(v view, i int) (n int32, all bool) {
	more := c.detailed()
	total := v.Status.Plan.Clusters
	if s := v.Status.Summary; s != nil && s.Clusters != nil {
		total = max(total, s.Clusters.Total)
	}
	size := min(placement.ChunkSize, int(total)-i*placement.ChunkSize)
	return int32(size), more.attempt == 0 && len(more.chunks[i]) >= size
}

// read takes note that all results were read: of so many clusters that had ended.
func (c *cursor) read(ended int32, next time.Time) {
	more := c.detailed()
	more.ended, more.nextRead = ended, next.Unix()
	c.more = &more
}

// endedOf is how many clusters of an Operation have ended.
func endedOf(v view) int32 {
	if v.Status.Summary == nil || v.Status.Summary.Clusters == nil {
		return 0
	}
	return v.Status.Summary.Clusters.Done()
}
