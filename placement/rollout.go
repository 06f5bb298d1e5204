// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"slices"
	"time"

	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Strategy decides what a run does next. It keeps nothing between two calls, so that a hub that was restarted decides the same.
type Strategy interface {
	// Decide what to do now. gates hold clusters back; limit bounds how many clusters may be started at once; 0 does not.
	Decide(plan Plan, tally *Tally, gates Gates, now time.Time, limit int) Decision
}

// Gates are what holds clusters back beside the rules of a rollout.
type Gates struct {
	// All holds every cluster.
	All Gate
	// Groups says why spec.rollout.approvedGroups cannot be believed; empty when it can.
	Groups string
	// Of one cluster; nil holds none. It has to say the same for as long as one decision takes.
	Of func(cluster string) Gate
}

// Gate holds a cluster back while it has a reason.
type Gate struct {
	// Reason in one word; empty when the gate is open.
	Reason string
	// Message for people: by what, and until when.
	Message string
	// Opens is when to look again; zero when only an event tells.
	Opens time.Time
}

// Decision is what to do next in a run.
type Decision struct {
	// Start these clusters now, in this order, which is the plan's.
	Start []string
	// Skip these clusters: they are never started, and end as Cancelled.
	Skip []string
	// Late are clusters that are still at work past the rollout's deadline: they have failed, and are told to stop.
	Late []string
	// More tells that clusters are left to start as soon as those in Start were.
	More bool
	// RequeueAfter asks for another decision at the latest after that time, also when no cluster reports anything. 0 does not.
	RequeueAfter time.Duration
	// RollBack tells that a budget is used up and that what was changed is to be put back: nothing is started any more, and when it is Done the inverse is.
	RollBack bool
	// Hold is why no other cluster is started before a person says so; empty when that is not so.
	Hold string
	// Group is the index of the plan's group that is at work; that of the last one when all have ended.
	Group int
	// SoakingUntil is when the next cluster has been well for long enough, where nothing else is waited for.
	SoakingUntil time.Time
	// Done tells that the run is over and that Phase, which is terminal, Reason and Message say how. Otherwise Phase is Running.
	Done    bool
	Phase   opsv1alpha1.OperationPhase
	Reason  string
	Message string
}

// For returns the strategy of a fleet Operation.
func For(spec opsv1alpha1.OperationSpec) Strategy {
	if spec.Cancel {
		return Stop{}
	}
	r, _ := readRules(spec) // what is wrong was refused before the run began; a change that is wrong counts as if it left the field out
	return Rollout{r}
}

// Stop starts nothing any more: the run was cancelled. It is over when the clusters that were started have ended.
type Stop struct{}

// Decide implements Strategy.
func (Stop) Decide(plan Plan, tally *Tally, _ Gates, _ time.Time, _ int) Decision {
	d := Decision{Group: max(0, len(plan.Groups)-1)}
	d.conclude(tally)
	d.Skip = tally.NotStarted(0)
	if !d.Done {
		d.Message = "cancelling: " + d.Message
	}
	return d
}

// conclude says whether the run is over.
func (d *Decision) conclude(tally *Tally) {
	if !tally.Done() {
		d.Phase, d.Reason, d.Message = opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut, tally.Progress()
		return
	}
	d.Done = true
	d.Phase, d.Reason, d.Message = tally.Verdict()
}

// Rollout starts clusters in the order of the plan, as its rules say.
//
// It is not Open Cluster Management's own decision (sdk-go, RolloutHandler), with which it agrees where both say something: there a cluster that failed keeps
// its place among those at work until the deadline, so that one failure of those that are tolerated stops a rollout of one at a time for good; a cluster that
// does not answer is one that failed; and nothing but the budget of failures stops it.
type Rollout struct{ rules rules }

// Decide implements Strategy.
func (r Rollout) Decide(plan Plan, tally *Tally, gates Gates, now time.Time, limit int) Decision {
	d := Decision{Group: max(0, len(plan.Groups)-1)}
	d.conclude(tally)
	for _, s := range r.rules.stages(plan) {
		c := r.rules.count(plan, tally, s, now)
		d.Late = append(d.Late, c.late...)
		d.wait(c.next, now)
		if r.rules.rollBack && c.breached(s, r.rules) {
			return d.rollBack(s.groupAt(c.at), tally)
		}
		if c.ended && !c.breached(s, r.rules) {
			continue
		}
		d.Group = s.groupAt(c.at)
		look{r.rules, plan, tally, gates, now, limit}.start(&d, s, c)
		if d.SoakingUntil = c.soaks; c.active > 0 {
			d.SoakingUntil = time.Time{}
		}
		break
	}
	if d.SoakingUntil.IsZero() || d.Hold != "" {
		return d
	}
	if d.Done { // but for the soak
		d.Done, d.Phase, d.Reason, d.Message = false, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut, tally.Progress()
	}
	d.Message += "; soaking until " + d.SoakingUntil.UTC().Format(time.RFC3339)
	return d
}

// look is one look at a run.
type look struct {
	rules
	plan  Plan
	tally *Tally
	gates Gates
	now   time.Time
	limit int
}

// start what may be started in the stage that is at work, or say why not.
func (l look) start(d *Decision, s stage, c count) {
	switch {
	case !l.tally.leftFrom(s.from):
	case c.breached(s, l.rules):
		d.Hold, d.Message = opsv1alpha1.ReasonRolloutHalted, s.breach(c.failed, c.away, c.first)
	case l.suspended:
		d.Hold, d.Message = opsv1alpha1.ReasonSuspended, "held back by spec.suspend: "+d.Message
	case l.gates.All.Reason != "":
		d.Hold, d.Message = l.gates.All.Reason, l.gates.All.Message+": "+d.Message
		d.wait(l.gates.All.Opens, l.now)
	default:
		room := s.to - s.from
		if s.atOnce >= 0 {
			room = max(0, s.atOnce-c.active-c.soaking)
		}
		d.More = l.limit > 0 && room >= l.limit
		if d.More {
			room = l.limit
		}
		l.pick(d, s, room, c.active+c.soaking)
		d.More = d.More && len(d.Start) == l.limit
	}
}

// pick up to room clusters of a stage whose gates are open. Those whose gates are not are passed over. busy are at work, or soak.
func (l look) pick(d *Decision, s stage, room, busy int) {
	var first Gate
	held, opens := 0, time.Time{}
	for _, g := range s.groups {
		for i := g.from; i < g.to && len(d.Start) < room; i++ {
			if l.tally.results[i].State != "" {
				continue
			}
			gate := l.gate(i, g.index)
			if gate.Reason == "" {
				d.Start = append(d.Start, l.tally.clusters[i])
				continue
			}
			if held++; held == 1 {
				first = gate
			}
			opens = earliest(opens, gate.Opens)
		}
	}
	if held == 0 {
		return
	}
	d.wait(opens, l.now)
	what := fmt.Sprintf("%d held back: %s", held, first.Message)
	if d.Message += "; " + what; len(d.Start)+busy == 0 {
		d.Hold, d.Message = first.Reason, what+"; "+l.tally.Progress()
	}
}

// gate of the cluster with an index in the plan, in the group with another.
func (l look) gate(i, group int) Gate {
	if name := l.plan.GroupName(group); l.perGroup && group > 0 {
		if !slices.Contains(l.approved, name) {
			return Gate{Reason: opsv1alpha1.ReasonAwaitingGroupApproval, Message: fmt.Sprintf(
				"group %s waits for a person: add %q to spec.rollout.approvedGroups, which needs the verb approve on the Operation", name, name)}
		}
		if l.gates.Groups != "" {
			return Gate{Reason: opsv1alpha1.ReasonAwaitingGroupApproval, Message: fmt.Sprintf("group %s is in spec.rollout.approvedGroups, and that does not count: %s", name, l.gates.Groups)}
		}
	}
	if l.gates.Of == nil {
		return Gate{}
	}
	return l.gates.Of(l.tally.clusters[i])
}

// count is how the clusters of a stage stand.
type count struct {
	// active are at work, soaking have succeeded not long enough ago, failed and away count against the budgets.
	active, soaking, failed, away int
	// first that counts against a budget.
	first ClusterResult
	// late are past their deadline.
	late []string
	// ended: none is at work, soaks or is left to be started.
	ended bool
	// at is the index of the first that has not ended.
	at int
	// next is when the next of them soaked long enough, or is late; soaks is the first of the former, and lastSoak the last.
	next, soaks, lastSoak time.Time
}

func (r rules) count(plan Plan, tally *Tally, s stage, now time.Time) count {
	c := count{at: -1, ended: true}
	for _, g := range s.groups {
		soak := r.soakOf(plan, g.index)
		for i := g.from; i < g.to; i++ {
			if open := c.add(&tally.results[i], tally.told[i], soak, r, now); open {
				if c.ended = false; c.at < 0 {
					c.at = i
				}
			}
		}
	}
	c.next = earliest(c.next, c.soaks)
	return c
}

// add a cluster, and tell whether it has not ended, or not for long enough.
func (c *count) add(result *ClusterResult, told time.Time, soak time.Duration, r rules, now time.Time) (open bool) {
	switch result.State {
	case "":
		return true
	case Succeeded:
		well := result.EndedAt.Add(soak)
		if soak == 0 || !well.After(now) {
			return false
		}
		c.soaking++
		if c.soaks = earliest(c.soaks, well); well.After(c.lastSoak) {
			c.lastSoak = well
		}
		return true
	case Failed:
		c.blame(result, r.policy)
		return false
	case Cancelled, Skipped:
		return false
	default:
		c.active++
		c.watch(result, told, r.deadline, now)
		return true
	}
}

// soakOf a group of the plan. Only strategies that go on from there ask for it.
func (r rules) soakOf(plan Plan, group int) time.Duration {
	if r.kind == clusterv1alpha1.All || slices.Contains(r.promoted, plan.GroupName(group)) {
		return 0
	}
	return r.soak
}

// blame a cluster that has not succeeded.
func (c *count) blame(result *ClusterResult, policy opsv1alpha1.UnreachablePolicy) {
	if result.Reason == opsv1alpha1.ReasonClusterUnreachable && policy == opsv1alpha1.UnreachableWait {
		c.away++
	} else {
		c.failed++
	}
	if c.first.Cluster == "" {
		c.first = *result
	}
}

// watch a cluster that is at work.
func (c *count) watch(result *ClusterResult, told time.Time, deadline time.Duration, now time.Time) {
	if deadline == 0 || told.IsZero() {
		return
	}
	if due := told.Add(deadline); due.After(now) {
		c.next = earliest(c.next, due)
	} else {
		c.late = append(c.late, result.Cluster)
	}
}

// breached tells whether a budget is used up, where that counts.
func (c count) breached(s stage, r rules) bool {
	return !r.goOn && (s.failures >= 0 && c.failed > s.failures || s.unreachable >= 0 && c.away > s.unreachable)
}

// wait asks for another decision at a time.
func (d *Decision) wait(until, now time.Time) {
	if until.IsZero() {
		return
	}
	if left := until.Sub(now); d.RequeueAfter == 0 || left < d.RequeueAfter {
		d.RequeueAfter = max(left, time.Nanosecond)
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// groupAt is the index of the group of the cluster with an index in the plan, or of the stage's first when there is none.
func (s stage) groupAt(cluster int) int {
	for _, g := range s.groups {
		if g.from <= cluster && cluster < g.to {
			return g.index
		}
	}
	if len(s.groups) == 0 {
		return 0
	}
	return s.groups[0].index
}

// String is for messages about a decision.
func (d Decision) String() string {
	return fmt.Sprintf("start %d, skip %d, late %d, hold %q, again after %s, %s/%s: %s", len(d.Start), len(d.Skip), len(d.Late), d.Hold, d.RequeueAfter, d.Phase, d.Reason, d.Message)
}
