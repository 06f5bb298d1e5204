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
