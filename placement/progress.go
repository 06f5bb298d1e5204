// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// MaxGroups is how many groups a status tells of.
const MaxGroups = 32

// Progress is how far a run has come, after a decision.
func Progress(spec opsv1alpha1.OperationSpec, plan Plan, tally *Tally, d Decision, now time.Time) *opsv1alpha1.RolloutStatus {
	s := &opsv1alpha1.RolloutStatus{Started: int32(tally.Prefix()), Groups: int32(len(plan.Groups))}
	if !d.Done && len(plan.Groups) > 0 {
		s.Group = plan.GroupName(d.Group)
	}
	if !d.SoakingUntil.IsZero() {
		s.SoakingUntil = &metav1.Time{Time: At(d.SoakingUntil)}
	}
	for _, g := range plan.parts() {
		if status := tally.group(plan.GroupName(g.index), g); status.StartedAt != nil {
			s.ByGroup = append(s.ByGroup, status)
		}
	}
	s.ByGroup = slices.Delete(s.ByGroup, 0, max(0, len(s.ByGroup)-MaxGroups))
	if end := expectedEnd(spec, plan, tally, now); !end.IsZero() && !d.Done && d.Hold == "" {
		s.ExpectedEnd = &metav1.Time{Time: At(end).Truncate(time.Minute).Add(time.Minute)} // no more is known, and each change is a write
	}
	return s
}

// group is how a group went. One without a start has not been begun.
func (t *Tally) group(name string, g part) opsv1alpha1.GroupStatus {
	s := opsv1alpha1.GroupStatus{Name: name, Clusters: opsv1alpha1.Counts{Total: int32(g.to - g.from)}}
	var first, last time.Time
	ended := true
	for i := g.from; i < g.to; i++ {
		r := &t.results[i]
		*counterOf(&s.Clusters, r.State)++
		if ended = ended && r.State.Terminal(); r.State == "" {
			continue
		}
		first = earliest(first, t.begun(i))
		if end := r.ended(); end.After(last) {
			last = end
		}
	}
	if !first.IsZero() {
		s.StartedAt = &metav1.Time{Time: At(first)}
	}
	if ended && !last.IsZero() {
		s.FinishedAt = &metav1.Time{Time: At(last)}
	}
	return s
}

// begun is when a cluster was: when it was told, or by its own clock where the hub does not know that any more.
func (t *Tally) begun(i int) time.Time {
	if !t.told[i].IsZero() {
		return t.told[i]
	}
	return t.results[i].StartedAt
}

// ended is when a cluster did: when the hub heard of it, or by its own clock.
func (r *ClusterResult) ended() time.Time {
	if !r.EndedAt.IsZero() {
		return r.EndedAt
	}
	return r.FinishedAt
}

// Typical is how long a cluster takes from when it is told until it has succeeded: the longest but a tenth of those that have. 0 while none has.
func (t *Tally) Typical() time.Duration {
	var took []time.Duration
	for i := range t.results {
		r := &t.results[i]
		if from, to := t.begun(i), r.ended(); r.State == Succeeded && r.Reason != opsv1alpha1.ReasonNoTargets && !from.IsZero() && to.After(from) {
			took = append(took, to.Sub(from))
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[(len(took)-1)*9/10]
}

// expectedEnd of a run: the stages that are left one after the other, each as many times as long as a cluster takes, and soaks, as it has clusters to be
// started for each that may be at work. What holds clusters back is not foreseen. Zero while no cluster has succeeded.
func expectedEnd(spec opsv1alpha1.OperationSpec, plan Plan, tally *Tally, now time.Time) time.Time {
	typical := tally.Typical()
	if typical == 0 {
		return time.Time{}
	}
	r, _ := readRules(spec)
	end := now
	for _, s := range r.stages(plan) {
		c := r.count(plan, tally, s, now)
		if c.ended {
			continue
		}
		soak := r.soakOf(plan, s.groups[0].index)
		waves := 0
		if left := tally.unstarted(s); left > 0 {
			if waves = 1; s.atOnce > 0 {
				waves = (left + s.atOnce - 1) / s.atOnce
			}
		}
		if c.active > 0 {
			end = end.Add(max(0, tally.lastBegun(s).Add(typical).Sub(now))).Add(soak)
		} else if waves == 0 {
			end = end.Add(max(0, c.lastSoak.Sub(now)))
		}
		end = end.Add(time.Duration(waves) * (typical + soak))
	}
	return end
}

func (t *Tally) unstarted(s stage) (n int) {
	for i := s.from; i < s.to; i++ {
		if t.results[i].State == "" {
			n++
		}
	}
	return n
}

// lastBegun is when the last of the clusters was told that are at work.
func (t *Tally) lastBegun(s stage) (last time.Time) {
	for i := s.from; i < s.to; i++ {
		if r := &t.results[i]; r.State != "" && !r.State.Terminal() && t.begun(i).After(last) {
			last = t.begun(i)
		}
	}
	return last
}
