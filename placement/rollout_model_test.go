// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

var sequences = flag.Int("rollout.sequences", 2000, "random sequences of events that a rollout is held to its rules in")

// world is a fleet that a rollout goes over: what people want, what has happened, and what time it is.
type world struct {
	t      *testing.T
	random *rand.Rand
	spec   opsv1alpha1.OperationSpec
	plan   Plan
	tally  *Tally
	now    time.Time
	// frozen holds everything; closed holds a cluster until a time.
	frozen bool
	closed map[string]time.Time
	// attempt that was asked for last.
	attempt int32
	// begun are the clusters that were started, in their order, with the attempt.
	begun []string
	// rolledBack is how often it was decided that what was changed is put back.
	rolledBack int
	// steps that were taken, for whoever reads a failure.
	steps []string
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 7)), now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), closed: map[string]time.Time{}}
	sizes := make([]int, 1+w.random.IntN(4))
	for i := range sizes {
		sizes[i] = 1 + w.random.IntN(6)
	}
	w.plan = planOf(sizes...)
	w.spec.Rollout = w.rollout()
	w.plan.Groups = Order(w.plan.Groups, w.spec)
	w.tally = NewTally(w.plan)
	return w
}

// share of a fleet, as people write it.
func (w *world) share(most int) intstr.IntOrString {
	if w.random.IntN(2) == 0 {
		return intstr.FromInt(w.random.IntN(most + 1))
	}
	return intstr.FromString(fmt.Sprintf("%d%%", w.random.IntN(101)))
}

func (w *world) config() clusterv1alpha1.RolloutConfig {
	c := clusterv1alpha1.RolloutConfig{MaxFailures: w.share(3)}
	if w.random.IntN(2) == 0 {
		c.MinSuccessTime = metav1.Duration{Duration: time.Duration(w.random.IntN(10)) * time.Minute}
	}
	if w.random.IntN(3) == 0 {
		c.ProgressDeadline = fmt.Sprintf("%dm", 5+w.random.IntN(30))
	}
	return c
}

func (w *world) mandatory() (m clusterv1alpha1.MandatoryDecisionGroups) {
	for i := range w.plan.Groups {
		if w.random.IntN(4) == 0 {
			m.MandatoryDecisionGroups = append(m.MandatoryDecisionGroups, clusterv1alpha1.MandatoryDecisionGroup{GroupName: fmt.Sprintf("g%d", i)})
		}
	}
	return m
}

func (w *world) rollout() *opsv1alpha1.RolloutSpec {
	r := &opsv1alpha1.RolloutSpec{OnBreach: opsv1alpha1.BreachHalt}
	if w.random.IntN(4) == 0 {
		r.OnBreach = opsv1alpha1.BreachRollback
	}
	switch r.Type = []clusterv1alpha1.RolloutType{clusterv1alpha1.All, clusterv1alpha1.Progressive, clusterv1alpha1.ProgressivePerGroup}[w.random.IntN(3)]; r.Type {
	case clusterv1alpha1.Progressive:
		r.Progressive = &clusterv1alpha1.RolloutProgressive{RolloutConfig: w.config(), MandatoryDecisionGroups: w.mandatory(), MaxConcurrency: w.share(4)}
	case clusterv1alpha1.ProgressivePerGroup:
		r.ProgressivePerGroup = &clusterv1alpha1.RolloutProgressivePerGroup{RolloutConfig: w.config(), MandatoryDecisionGroups: w.mandatory()}
	default:
		r.All = &clusterv1alpha1.RolloutAll{RolloutConfig: w.config()}
	}
	if r.Type != clusterv1alpha1.All && w.random.IntN(3) == 0 {
		r.Gate = opsv1alpha1.GatePerGroup
	}
	for i := range w.plan.Groups {
		if w.random.IntN(3) == 0 {
			r.ApprovedGroups = append(r.ApprovedGroups, fmt.Sprintf("g%d", i))
		}
		if w.random.IntN(8) == 0 {
			r.PromotedGroups = append(r.PromotedGroups, fmt.Sprintf("g%d", i))
		}
	}
	if w.random.IntN(2) == 0 {
		policies := []opsv1alpha1.UnreachablePolicy{opsv1alpha1.UnreachableWait, opsv1alpha1.UnreachableSkip, opsv1alpha1.UnreachableFail}
		r.Unreachable = &opsv1alpha1.UnreachableSpec{Policy: policies[w.random.IntN(3)], MaxClusters: w.share(2)}
	}
	return r
}

func (w *world) note(format string, args ...any) {
	w.steps = append(w.steps, w.now.Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	for _, s := range w.steps {
		w.t.Log(s)
	}
	for i, r := range w.tally.results {
		w.t.Logf("%s of group %s: %s %s, ended %s", r.Cluster, w.groupOf(i).Name, r.State, r.Reason, r.EndedAt.Format("15:04:05"))
	}
	rules, err := json.Marshal(w.spec.Rollout)
	w.t.Fatalf("at %s, by %s (%v): "+format, append([]any{w.now.Format("15:04:05"), rules, err}, args...)...)
}

// atWork are the clusters that were started and have not ended.
func (w *world) atWork() (names []string) {
	for _, r := range w.tally.results {
		if r.State != "" && !r.State.Terminal() {
			names = append(names, r.Cluster)
		}
	}
	return names
}

// happen lets one thing happen: to a cluster, to the clock, to the hub, or by a person.
func (w *world) happen(people bool) {
	running := w.atWork()
	switch n := w.random.IntN(16); {
	case n < 6 && len(running) > 0:
		w.report(running[w.random.IntN(len(running))])
	case n < 9:
		d := time.Duration(1+w.random.IntN(600)) * time.Second
		w.now = w.now.Add(d)
		w.note("%s go by", d)
	case n == 9:
		w.restart()
	case !people:
	case n == 10:
		w.spec.Suspend = !w.spec.Suspend
		w.note("suspend: %t", w.spec.Suspend)
	case n == 11:
		w.frozen = !w.frozen
		w.note("frozen: %t", w.frozen)
	case n == 12:
		cluster := w.plan.Clusters()[w.random.IntN(w.plan.Len())]
		w.closed[cluster] = w.now.Add(time.Duration(1+w.random.IntN(3600)) * time.Second)
		w.note("%s is closed until %s", cluster, w.closed[cluster].Format("15:04:05"))
	case n == 13:
		w.retry()
	case w.random.IntN(20) == 0:
		w.spec.Cancel = true
		w.note("cancel")
	default:
		w.change()
	}
}

// retry what has failed so far.
func (w *world) retry() {
	if w.spec.Cancel {
		return
	}
	w.attempt++
	for _, r := range slices.Clone(w.tally.results) {
		if r.Retries(nil) {
			w.tally.Apply(ClusterResult{Cluster: r.Cluster, Attempt: w.attempt})
		}
	}
	w.note("attempt %d", w.attempt)
}

// gates as they are now.
func (w *world) gates() (g Gates) {
	if w.frozen {
		g.All = Gate{Reason: opsv1alpha1.ReasonFrozen, Message: "frozen"}
	}
	g.Of = func(cluster string) Gate {
		if opens := w.closed[cluster]; opens.After(w.now) {
			return Gate{Reason: opsv1alpha1.ReasonOutsideMaintenanceWindow, Message: "closed", Opens: opens}
		}
		return Gate{}
	}
	return g
}

// attemptOf a cluster.
func (w *world) attemptOf(cluster string) int32 {
	r, _ := w.tally.Result(cluster)
	return r.Attempt
}

// change of mind: budgets, how many at once, and what happens on a breach.
func (w *world) change() {
	kind := w.spec.Rollout.Type
	for {
		if w.spec.Rollout = w.rollout(); w.spec.Rollout.Type == kind {
			break
		}
	}
	if w.random.IntN(3) == 0 {
		w.spec.Rollout.OnBreach = opsv1alpha1.BreachContinue
	}
	w.note("now %+v", *w.spec.Rollout)
}

// report something about a cluster, as the hub would hear it.
func (w *world) report(cluster string) {
	r := ClusterResult{Cluster: cluster, State: []State{Running, Blocked, Succeeded, Succeeded, Succeeded, Failed, Cancelled, Skipped}[w.random.IntN(8)]}
	if r.State == Failed && w.random.IntN(3) == 0 {
		r.Reason = opsv1alpha1.ReasonClusterUnreachable
		if u := w.spec.Rollout.Unreachable; u != nil && u.Policy == opsv1alpha1.UnreachableSkip {
			r.State = Skipped
		}
	}
	if r.State.Terminal() {
		r.EndedAt = At(w.now)
	}
	r.Attempt = w.attemptOf(cluster)
	w.note("%s is %s %s", cluster, r.State, r.Reason)
	w.tally.Apply(r)
}

// restart the hub: what it knows, it reads again, in any order.
func (w *world) restart() {
	old := w.tally
	w.tally = NewTally(w.plan)
	for _, i := range w.random.Perm(len(old.results)) {
		if r := old.results[i]; r.State != "" || r.Attempt > 0 {
			w.tally.Apply(r)
			w.tally.Told(r.Cluster, old.told[i])
		}
	}
	w.note("the hub restarts")
}

// decide once, hold the decision to the rules, and carry it out.
func (w *world) decide() Decision {
	w.t.Helper()
	limit := w.random.IntN(4)
	d := For(w.spec).Decide(w.plan, w.tally, w.gates(), w.now, limit)
	if diff := cmp.Diff(d, For(w.spec).Decide(w.plan, w.tally, w.gates(), w.now, limit)); diff != "" {
		w.fatalf("it does not decide the same twice: %s", diff)
	}
	w.note("%s", d)
	w.holds(d, limit)
	for _, c := range d.Start {
		w.tally.Apply(ClusterResult{Cluster: c, State: Pending, Reason: opsv1alpha1.ReasonNotYetReported, Attempt: w.attemptOf(c)})
		w.tally.Told(c, w.now)
		w.begun = append(w.begun, w.attemptName(c))
	}
	for _, c := range d.Skip {
		w.tally.Apply(ClusterResult{Cluster: c, State: Cancelled, EndedAt: At(w.now), Attempt: w.attemptOf(c)})
	}
	for _, c := range d.Late {
		w.tally.Apply(ClusterResult{Cluster: c, State: Failed, Reason: opsv1alpha1.ReasonProgressDeadlineExceeded, EndedAt: At(w.now), Attempt: w.attemptOf(c)})
	}
	return d
}

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

// TestRolloutKeepsItsRules: whatever happens, in whatever order, to whatever fleet.
func TestRolloutKeepsItsRules(t *testing.T) {
	rolledBack := 0
	for seed := range uint64(*sequences) {
		w := newWorld(t, seed)
		for range 40 {
			if w.decide().Done {
				break
			}
			w.happen(true)
		}
		rolledBack += min(w.rolledBack, 1)
		// In the end people let it go, and clusters answer.
		w.spec.Suspend, w.spec.Rollout.OnBreach, w.spec.Rollout.Gate, w.frozen = false, opsv1alpha1.BreachContinue, opsv1alpha1.GateNone, false
		for step := 0; ; step++ {
			d := w.decide()
			if d.Done {
				break
			}
			if step > 2000 {
				w.fatalf("seed %d: it does not end: %s", seed, d)
			}
			w.happen(false)
		}
	}
	t.Logf("%d sequences, %d of them rolled back", *sequences, rolledBack)
	if rolledBack == 0 {
		t.Error("none was ever rolled back")
	}
}
