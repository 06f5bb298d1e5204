// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// recount is the tally's meaning, written down as simply as possible: the furthest result of each cluster, the later one among
// equals, added up from scratch.
func recount(p Plan, events []ClusterResult) (clusters, instances opsv1alpha1.Counts, failures []opsv1alpha1.Failure) {
	latest := map[string]ClusterResult{}
	for _, e := range events {
		old := latest[e.Cluster]
		if e.Attempt > old.Attempt || e.Attempt == old.Attempt && !old.State.Terminal() && e.State.rank() >= old.State.rank() {
			latest[e.Cluster] = e
		}
	}
	for _, c := range p.Clusters() {
		r := latest[c]
		clusters.Total++
		instances.Total += r.Instances.Total
		instances.Succeeded += r.Instances.Succeeded
		instances.Failed += r.Instances.Failed
		switch r.State {
		case Blocked:
			clusters.Blocked++
		case Running:
			clusters.Running++
		case Succeeded:
			clusters.Succeeded++
		case Failed:
			clusters.Failed++
			if len(failures) < opsv1alpha1.MaxFailures {
				failures = append(failures, opsv1alpha1.Failure{Name: c, Reason: r.Reason, Message: r.Message})
			}
		case Cancelled:
			clusters.Cancelled++
		default:
			clusters.Pending++
		}
	}
	return clusters, instances, failures
}

func check(t *testing.T, p Plan, tally *Tally, events []ClusterResult) {
	t.Helper()
	clusters, instances, failures := recount(p, events)
	if diff := cmp.Diff(clusters, tally.Clusters()); diff != "" {
		t.Error("clusters:", diff)
	}
	if diff := cmp.Diff(instances, tally.Instances()); diff != "" {
		t.Error("instances:", diff)
	}
	if diff := cmp.Diff(failures, tally.Failures()); diff != "" {
		t.Error("failures:", diff)
	}
	if c := tally.Clusters(); c.Pending+c.Blocked+c.Running+c.Done() != c.Total {
		t.Errorf("the states do not add up to the total: %+v", c)
	}
}

func randomEvent(random *rand.Rand, clusters []string) ClusterResult {
	states := []State{Pending, Blocked, Running, Succeeded, Failed, Cancelled}
	if random.IntN(20) == 0 {
		return ClusterResult{Cluster: clusters[random.IntN(len(clusters))], Attempt: int32(1 + random.IntN(3))} // to be started again
	}
	return ClusterResult{
		Attempt:   int32(max(0, random.IntN(20)-16)),
		Cluster:   clusters[random.IntN(len(clusters))],
		State:     states[random.IntN(len(states))],
		Reason:    fmt.Sprint("Reason", random.IntN(3)),
		Message:   fmt.Sprint("message ", random.IntN(3)),
		Instances: opsv1alpha1.Counts{Total: int32(random.IntN(9)), Succeeded: int32(random.IntN(9)), Failed: int32(random.IntN(9))},
	}
}

func FuzzTallyEqualsARecount(f *testing.F) {
	f.Add(uint64(1), uint8(3), uint16(20))
	f.Add(uint64(7), uint8(60), uint16(600))
	f.Fuzz(func(t *testing.T, seed uint64, size uint8, n uint16) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := planOf(int(size)%80 + 1)
		tally := NewTally(p)
		var events []ClusterResult
		for range n % 1000 {
			e := randomEvent(random, p.Clusters())
			events = append(events, e)
			tally.Apply(e)
		}
		check(t, p, tally, events)
	})
}

// Feedback of one cluster that is delivered twice, late, or in any order leads to the same end.
func TestOrderOfFinalResultsDoesNotMatter(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	p := planOf(50)
	var final, noise []ClusterResult
	for i, c := range p.Clusters() {
		noise = append(noise, ClusterResult{Cluster: c, State: Pending}, ClusterResult{Cluster: c, State: Running})
		final = append(final, ClusterResult{Cluster: c, State: []State{Succeeded, Failed, Cancelled}[i%3], Message: c})
	}
	var want []opsv1alpha1.Failure
	for round := range 20 {
		events := append(append(append([]ClusterResult{}, final...), noise...), final...)
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		tally := NewTally(p)
		for _, e := range events {
			tally.Apply(e)
		}
		if !tally.Done() {
			t.Fatal("not done")
		}
		check(t, p, tally, events)
		if round == 0 {
			want = tally.Failures()
		}
		if diff := cmp.Diff(want, tally.Failures()); diff != "" {
			t.Fatal("other failures in another order:", diff)
		}
	}
	if len(want) != 17 {
		t.Errorf("%d failures", len(want))
	}
}

func TestApplySaysWhetherAnythingChanged(t *testing.T) {
	p := planOf(1)
	c := p.Clusters()[0]
	tally := NewTally(p)
	at := At(time.Date(2026, 11, 23, 8, 0, 0, 5, time.Local))
	for _, step := range []struct {
		name   string
		result ClusterResult
		want   bool
	}{
		{"a cluster of another plan", ClusterResult{Cluster: "other", State: Running}, false},
		{"started", ClusterResult{Cluster: c, State: Pending}, true},
		{"the same again", ClusterResult{Cluster: c, State: Pending}, false},
		{"another reason", ClusterResult{Cluster: c, State: Blocked, Reason: "TargetNotReady"}, true},
		{"running", ClusterResult{Cluster: c, State: Running, StartedAt: at}, true},
		{"the same time", ClusterResult{Cluster: c, State: Running, StartedAt: At(at.Local())}, false},
		{"late news", ClusterResult{Cluster: c, State: Pending}, false},
		{"final", ClusterResult{Cluster: c, State: Succeeded}, true},
		{"another end", ClusterResult{Cluster: c, State: Failed}, false},
		{"running again", ClusterResult{Cluster: c, State: Running}, false},
	} {
		if got := tally.Apply(step.result); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}

func TestFailuresAreBounded(t *testing.T) {
	p := planOf(10_000)
	tally := NewTally(p)
	for _, c := range p.Clusters() {
		tally.Apply(ClusterResult{Cluster: c, State: Failed, Reason: "EngineFailed", Message: strings.Repeat("é", 4000)})
	}
	failures := tally.Failures()
	if len(failures) != opsv1alpha1.MaxFailures {
		t.Errorf("%d failures", len(failures))
	}
	for i, failure := range failures {
		if len(failure.Message) > opsv1alpha1.MaxMessage || failure.Name != p.Clusters()[i] {
			t.Errorf("failure %d is of %s and has %d bytes", i, failure.Name, len(failure.Message))
		}
	}
}

func TestVerdict(t *testing.T) {
	ok := func(c string) ClusterResult {
		return ClusterResult{Cluster: c, State: Succeeded, Reason: opsv1alpha1.ReasonAllSucceeded}
	}
	none := func(c string) ClusterResult {
		return ClusterResult{Cluster: c, State: Succeeded, Reason: opsv1alpha1.ReasonNoTargets}
	}
	bad := func(c, message string) ClusterResult {
		return ClusterResult{Cluster: c, State: Failed, Reason: "EngineFailed", Message: message}
	}
	stopped := func(c string) ClusterResult { return ClusterResult{Cluster: c, State: Cancelled} }
	a, b, c := "cluster-00000", "cluster-00001", "cluster-00002"
	for _, tc := range []struct {
		name    string
		results []ClusterResult
		phase   opsv1alpha1.OperationPhase
		reason  string
		message string
	}{
		{"all", []ClusterResult{ok(a), ok(b), ok(c)}, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "3 of 3 clusters succeeded"},
		{"one failed", []ClusterResult{ok(a), ok(b), bad(c, "disk full")}, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "1 of 3 clusters failed: cluster-00002: disk full"},
		{"two failed, the first of the plan is named", []ClusterResult{bad(c, "last"), bad(b, "first"), ok(a)}, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "2 of 3 clusters failed: cluster-00001: first"},
		{"a failure without words", []ClusterResult{ok(a), ok(b), bad(c, "")}, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "1 of 3 clusters failed: cluster-00002: EngineFailed"},
		{"failed outweighs cancelled", []ClusterResult{stopped(a), stopped(b), bad(c, "x")}, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "1 of 3 clusters failed: cluster-00002: x"},
		{"cancelled", []ClusterResult{ok(a), stopped(b), stopped(c)}, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, "cancelled on 2 of 3 clusters, 1 had succeeded"},
		{"nothing anywhere", []ClusterResult{none(a), none(b), none(c)}, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonNoTargets, "no ApplicationInstance matches the selector on any of 3 clusters"},
		{"nothing here and there", []ClusterResult{none(a), ok(b), none(c)}, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "3 of 3 clusters succeeded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tally := NewTally(planOf(3))
			for _, r := range tc.results {
				tally.Apply(r)
			}
			phase, reason, message := tally.Verdict()
			if phase != tc.phase || reason != tc.reason || message != tc.message {
				t.Errorf("%s/%s %q, want %s/%s %q", phase, reason, message, tc.phase, tc.reason, tc.message)
			}
		})
	}
}

func TestResultsSurviveEncoding(t *testing.T) {
	p := planOf(ChunkSize + 3)
	tally := NewTally(p)
	for i, c := range p.Clusters() {
		if i%3 == 0 {
			continue // not final: not kept
		}
		tally.Apply(ClusterResult{
			Cluster: c, State: Failed, Reason: "EngineFailed", Message: strings.Repeat("x", opsv1alpha1.MaxMessage),
			StartedAt: At(time.Now()), FinishedAt: At(time.Now()), Instances: opsv1alpha1.Counts{Total: 2, Failed: 2}, Withdrawn: i%2 == 0,
		})
	}
	for i, size := range []int{ChunkSize, 3} {
		results, _, n := tally.Chunk(i)
		if n != size {
			t.Errorf("chunk %d has %d clusters, want %d", i, n, size)
		}
		data, err := EncodeResults(results)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeResults(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(results, got); diff != "" {
			t.Error(diff)
		}
		again := NewTally(p)
		for _, r := range got {
			if !again.Apply(r) || again.Apply(r) {
				t.Fatal("a result that was kept is not the result that was given")
			}
		}
	}
}

func TestAWorstChunkOfResultsFitsIntoAConfigMap(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	results := make([]ClusterResult, ChunkSize)
	for i := range results {
		message := make([]byte, opsv1alpha1.MaxMessage)
		for j := range message {
			message[j] = byte(' ' + random.IntN(95))
		}
		results[i] = ClusterResult{Cluster: fmt.Sprintf("%063d", i), State: Failed, Reason: "EngineFailed", Message: string(message)}
	}
	data, err := EncodeResults(results)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 1<<20 {
		t.Errorf("%d bytes", len(data))
	}
}
