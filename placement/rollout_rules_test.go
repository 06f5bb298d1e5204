// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"slices"

	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// holds what people rely on, counted anew and not as the decision does.
func (w *world) holds(d Decision, limit int) {
	w.t.Helper()
	w.endsOrWaits(d)
	w.rollsBack(d)
	switch {
	case limit > 0 && len(d.Start) > limit:
		w.fatalf("%d at once, and at most %d were asked for", len(d.Start), limit)
	case d.Hold != "" && len(d.Start) > 0:
		w.fatalf("it holds, and starts: %s", d)
	case len(d.Start) > 0 && (w.spec.Suspend || w.spec.Cancel):
		w.fatalf("it starts what a person holds back: %s", d)
	}
	for _, c := range d.Start {
		w.isFree(c)
	}
	if len(d.Start) > 0 {
		w.mayStart(d.Start)
	}
}

// isFree holds that nothing held a cluster back that is started, and that it is so for the first time in its attempt.
func (w *world) isFree(cluster string) {
	w.t.Helper()
	switch group := w.groupIndex(w.tally.Index(cluster)); {
	case slices.Contains(w.begun, w.attemptName(cluster)):
		w.fatalf("%s is started twice", cluster)
	case w.frozen || w.closed[cluster].After(w.now):
		w.fatalf("%s is started, and held back", cluster)
	case w.spec.Rollout.Gate == opsv1alpha1.GatePerGroup && group > 0 && !slices.Contains(w.spec.Rollout.ApprovedGroups, w.plan.GroupName(group)):
		w.fatalf("%s is started, and nobody has agreed to its group", cluster)
	}
}

func (w *world) attemptName(cluster string) string {
	return fmt.Sprintf("%s, attempt %d", cluster, w.attemptOf(cluster))
}

// endsOrWaits holds that a run is over when nothing is left, and that one that is not waits for something.
func (w *world) endsOrWaits(d Decision) {
	w.t.Helper()
	running := len(w.atWork())
	switch {
	case d.Done != d.Phase.Terminal():
		w.fatalf("over or not? %s", d)
	case d.Done && (running > 0 || !w.tally.Done()):
		w.fatalf("it is over, and %d clusters are at work: %s", running, d)
	case !d.Done && running+len(d.Start)+len(d.Skip)+len(d.Late) == 0 && d.RequeueAfter == 0 && d.Hold == "":
		w.fatalf("it waits for nothing: %s", d)
	case d.Hold == opsv1alpha1.ReasonOutsideMaintenanceWindow && d.RequeueAfter == 0:
		w.fatalf("it waits for a window, and does not look when that opens: %s", d)
	}
}

// rollsBack holds that a run is rolled back when a budget is used up, and then starts nothing any more, leaves nothing behind, and has failed.
func (w *world) rollsBack(d Decision) {
	w.t.Helper()
	asked := w.spec.Rollout.OnBreach == opsv1alpha1.BreachRollback && !w.spec.Cancel
	switch {
	case d.RollBack && !asked:
		w.fatalf("it rolls back, which nobody asked for: %s", d)
	case asked && d.Hold == opsv1alpha1.ReasonRolloutHalted:
		w.fatalf("it halts instead of rolling back: %s", d)
	case d.RollBack:
		w.rolledBack++
		w.onlyRollsBack(d)
	}
}

func (w *world) onlyRollsBack(d Decision) {
	w.t.Helper()
	switch {
	case len(d.Start) > 0 || d.Hold != "" || d.More:
		w.fatalf("it rolls back and goes on: %s", d)
	case len(d.Skip) != len(w.tally.NotStarted(0)):
		w.fatalf("it rolls back, and begins some yet: %s", d)
	case w.tally.Clusters().Failed == 0:
		w.fatalf("it rolls back, and none has failed: %s", d)
	case d.Done != w.tally.Done() || d.Done && d.Phase != opsv1alpha1.PhaseFailed || !d.Done && d.Reason != opsv1alpha1.ReasonRollingBack:
		w.fatalf("over or not? %s", d)
	}
}

// mayStart holds that these clusters may be started: none before its turn, not too many at once, and within the budgets.
func (w *world) mayStart(names []string) {
	w.t.Helper()
	r, errs := readRules(w.spec)
	if len(errs) > 0 {
		w.fatalf("%v", errs)
	}
	order := w.plan.Clusters()
	first, last := slices.Index(order, names[0]), slices.Index(order, names[len(names)-1])
	if r.kind == clusterv1alpha1.All {
		return
	}
	at := 0
	for _, g := range w.plan.Groups {
		from, to := at, at+len(g.Clusters)
		at = to
		if from > first {
			break
		}
		w.inTurn(r, g, span{from, to}, first, last)
		w.withinBudget(r, g, from, to)
	}
	w.notTooMany(r, len(names), first)
}

// span of the plan, to excluded.
type span struct{ from, to int }

// inTurn holds that a group that others wait for has ended before they begin.
func (w *world) inTurn(r rules, g Group, at span, first, last int) {
	w.t.Helper()
	order := w.plan.Clusters()
	barrier := r.kind == clusterv1alpha1.ProgressivePerGroup || r.isMandatory(g)
	if at.to <= first && (barrier || r.isMandatory(w.groupOf(first))) && w.open(r, at.from, at.to) > 0 {
		w.fatalf("%s is started before group %s has ended", order[first], g.Name)
	}
	if barrier && first < at.to && last >= at.to {
		w.fatalf("%s is started together with group %s", order[last], g.Name)
	}
}

func (w *world) groupOf(i int) Group { return w.plan.Groups[w.groupIndex(i)] }

func (w *world) groupIndex(i int) int {
	return slices.IndexFunc(w.plan.parts(), func(g part) bool { return g.from <= i && i < g.to })
}

// open are the clusters in a part of the plan that have not ended, or not for long enough.
func (w *world) open(r rules, from, to int) (n int) {
	for i, result := range w.tally.results[from:to] {
		soaks := !slices.Contains(r.promoted, w.groupOf(from+i).Name)
		if !result.State.Terminal() || result.State == Succeeded && soaks && r.soak > 0 && w.now.Sub(result.EndedAt) < r.soak {
			n++
		}
	}
	return n
}

func (w *world) withinBudget(r rules, g Group, from, to int) {
	w.t.Helper()
	if r.goOn {
		return
	}
	of, rest := len(g.Clusters), !r.isMandatory(g) && r.kind == clusterv1alpha1.Progressive
	if rest {
		if !w.contiguousRest(r) {
			return
		}
		from, to, of = 0, w.plan.Len(), w.plan.Len()
	}
	most, _ := shareOf(r.failures, of)
	if r.isMandatory(g) {
		most = 0
	}
	if bad := w.bad(r, from, to, rest); bad > most {
		w.fatalf("it goes on, and %d of group %s failed, of which %d may", bad, g.Name, most)
	}
}

// bad are the clusters in a part of the plan that count as failed, without those of mandatory groups if so asked.
func (w *world) bad(r rules, from, to int, rest bool) (n int) {
	for i, result := range w.tally.results[from:to] {
		away := result.Reason == opsv1alpha1.ReasonClusterUnreachable && r.policy == opsv1alpha1.UnreachableWait
		if result.State == Failed && !away && (!rest || !r.isMandatory(w.groupOf(from+i))) {
			n++
		}
	}
	return n
}

// contiguousRest: no mandatory group is in the middle, as after a change of mind.
func (w *world) contiguousRest(r rules) bool {
	rest := false
	for _, g := range w.plan.Groups {
		if r.isMandatory(g) && rest {
			return false
		}
		rest = rest || !r.isMandatory(g)
	}
	return true
}

func (w *world) notTooMany(r rules, starting, first int) {
	w.t.Helper()
	if r.kind != clusterv1alpha1.Progressive || r.isMandatory(w.groupOf(first)) || !w.contiguousRest(r) {
		return
	}
	from, to := 0, w.plan.Len()
	for _, g := range w.plan.Groups {
		if r.isMandatory(g) {
			from += len(g.Clusters)
		}
	}
	most, _ := shareOf(r.atOnce, to-from)
	busy := w.open(r, from, to)
	for _, result := range w.tally.results[from:to] {
		if result.State == "" {
			busy--
		}
	}
	if most > 0 && busy+starting > most {
		w.fatalf("%d are at work or soak and %d are started, and %d may be", busy, starting, most)
	}
}
