// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/hosted/crowd"
)

const (
	// away is for how long a replica that is cut off from the Leases is: longer than it takes the other one to serve its clusters.
	away = 8 * time.Second
	// late is longer than a caller waits for an answer, and blind is for how long a replica hears nothing.
	late, blind = 2 * time.Second, 3 * time.Second
	// often is how many writes of a kind are tried of those that never end.
	often = 3
)

// atLease are the faults that can happen at a write of a Lease, and how long they last. Each gives the rules for a replica's first, second, ... run.
var atLease = []struct {
	name  string
	rules func(p *Point, s *share) func(run int) Rule
	lasts time.Duration
}{
	{name: "dies before", rules: func(p *Point, _ *share) func(int) Rule { return once(p.Crash(false)) }},
	{name: "dies after", rules: func(p *Point, _ *share) func(int) Rule { return once(p.Crash(true)) }},
	{name: "loses the reply", rules: func(p *Point, _ *share) func(int) Rule { return once(p.LoseReply()) }},
	{name: "is refused", rules: func(p *Point, _ *share) func(int) Rule { return once(p.Refuse()) }},
	{name: "arrives late", rules: func(p *Point, _ *share) func(int) Rule { return once(p.ArriveLate(late)) }, lasts: late},
	{name: "is cut off", rules: func(p *Point, s *share) func(int) Rule { return once(p.CutOff(away, s.toLeases)) }, lasts: away},
	{name: "is blind", rules: func(p *Point, _ *share) func(int) Rule { return once(p.Blind(blind)) }, lasts: blind},
	{name: "misses events", rules: func(p *Point, _ *share) func(int) Rule { return once(p.Gap()) }},
	{name: "comes up in the past", rules: comesUpWithLeasesOfThePast, lasts: blind},
}

// comesUpWithLeasesOfThePast: it dies after the write, and what it sees of Leases when it comes up is what there was before the last few of its writes.
func comesUpWithLeasesOfThePast(p *Point, s *share) func(run int) Rule {
	const back = 4
	var mu sync.Mutex
	var revisions []string // before each write
	crash := p.Crash(true)
	past := Past(func() string {
		mu.Lock()
		defer mu.Unlock()
		return revisions[max(0, len(revisions)-back)]
	}, blind)
	return func(run int) Rule {
		switch run {
		case 1:
			return func(w *Wire, c Call, send Send) (*http.Response, error) {
				if leaseWrite(c) != "" {
					now := s.revision(c.Request.Context())
					mu.Lock()
					revisions = append(revisions, now)
					mu.Unlock()
				}
				return crash(w, c, send)
			}
		case 2:
			return func(w *Wire, c Call, send Send) (*http.Response, error) {
				if !s.toLeases(c) {
					return send()
				}
				return past(w, c, send)
			}
		}
		return nil
	}
}

// sampled are trials that are in every sample: each fault once, and each kind of write.
var sampled = []string{
	"b is cut off renews cluster-one 2",          // and must send nothing when a serves it
	"b comes up in the past takes cluster-one 1", // dies after it, too, and its next run is another
	"a loses the reply gives back cluster-one 1",
	"a arrives late renews cluster-two 2",
	"a dies before makes cluster-three 1",
	"b is refused deletes replica-b 1",
	"a is blind announces replica-a 2",
	"a misses events deletes cluster-gone 1",
}

// TestReplicasAtEveryLeaseWrite: two replicas of hosted mode share three clusters, and whatever happens to one of them at a write of a Lease, every Operation
// succeeds by one Job, nobody writes to a cluster whose Lease is another's, and no Lease is left.
func TestReplicasAtEveryLeaseWrite(t *testing.T) {
	t.Parallel()
	c, all, err := newShares(context.WithoutCancel(t.Context()), *labCount, *last)
	t.Cleanup(func() {
		if err := c.Down(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	shares := make(chan *share, len(all))
	for _, s := range all {
		shares <- s
	}
	s := <-shares
	calm := tellShared(t, s, "", nil, nil, 0)
	shares <- s
	missing := slices.Clone(sampled)
	for _, replica := range []string{"a", "b"} {
		t.Logf("%s writes Leases %d times, which are %d points", replica, len(calm.wrote[replica]), len(leasePoints(calm, replica)))
		for _, f := range atLease {
			for _, at := range leasePoints(calm, replica) {
				trial := fmt.Sprintf("%s %s %s %d", replica, f.name, at.Of, at.At)
				missing = slices.DeleteFunc(missing, func(s string) bool { return s == trial })
				if !*long && !slices.Contains(sampled, trial) && !chosen("replicas "+trial) {
					continue
				}
				t.Run(trial, func(t *testing.T) {
					t.Parallel()
					s := <-shares
					defer func() { shares <- s }()
					tellShared(t, s, replica, at, f.rules(at, s), f.lasts)
					tried.add("replica", f.name, at.Hit() != nil)
				})
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("these are in the sample, and no trials: %q", missing)
	}
}

// leasePoints are the writes of Leases of a replica; of those that never end the first few.
func leasePoints(calm *ledger, replica string) (all []*Point) {
	count := map[string]int{}
	for _, name := range calm.wrote[replica] {
		count[name]++
		endless := strings.HasPrefix(name, "renews ") || strings.HasPrefix(name, "announces ")
		if !endless || count[name] <= often {
			all = append(all, &Point{Of: name, At: count[name], Name: leaseWrite})
		}
	}
	return all
}

// tellShared tells the story of two replicas while something happens to one of them at a point, and holds what has to come of it.
func tellShared(t *testing.T, s *share, victim string, p *Point, rules func(run int) Rule, lasts time.Duration) *ledger {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	story := sharing{share: s, rules: func(replica string) func(int) Rule {
		if replica != victim {
			return nil
		}
		return rules
	}, struck: func() bool { return p != nil && p.Hit() != nil }, lasts: lasts}
	err := s.clear(ctx)
	if err == nil {
		err = story.tell(ctx)
	}
	cancel()
	story.end()
	if err != nil {
		t.Errorf("%v\n%s", err, s.log.String())
	}
	for _, wrong := range s.ledger.wrong {
		t.Error(wrong)
	}
	if t.Failed() && err == nil {
		t.Log(s.log.String())
	}
	t.Logf("%d writes of Leases, no Lease more than %d times within %s by one; %d writes to clusters; %s", len(s.ledger.wrote["a"])+len(s.ledger.wrote["b"]), s.ledger.densest, dense, s.ledger.served, time.Since(began).Round(time.Second))
	return s.ledger
}

// sharing is the story: a serves all, b comes and gets its share, b goes and a serves all again, Operations end, a cluster leaves, and a ends.
type sharing struct {
	*share
	rules  func(replica string) func(run int) Rule
	struck func() bool
	// lasts is how long what happens does, and over when that is past; zero before.
	lasts time.Duration
	over  time.Time

	// with is what runs beside.
	with sync.WaitGroup
	may  atomic.Bool
	a, b *replica
}

func (s *sharing) tell(ctx context.Context) error {
	if err := s.handOver(ctx); err != nil {
		return err
	}
	runs, err := s.Run(ctx, fmt.Sprintf("once-%d", s.told), s.clusters, 0)
	if err != nil {
		return err
	}
	s.with.Go(func() { s.unrest(ctx) })
	s.with.Go(func() { s.execute(ctx, &s.may) })
	s.a = s.start(ctx, "a", s.rules("a"))
	phase := func(p opsv1alpha1.OperationPhase) func(context.Context) string { return s.phase(runs, p) }
	for _, step := range []struct {
		what    string
		begin   func() error
		missing func(context.Context) string
	}{
		{"a to serve all", nil, s.serve("a", "a", "a")},
		{"the Operations to run", nil, phase(opsv1alpha1.PhaseRunning)},
		{"b to have its share", func() error { s.b = s.start(ctx, "b", s.rules("b")); return nil }, s.serve("b", "a", "a")},
		{"both to have renewed what they have", nil, s.renewed},
		{"b to end", func() error { s.b.end(); return nil }, ended(func() *replica { return s.b })},
		{"a to serve all again", nil, s.serve("a", "a", "a")},
		{"the Operations to succeed", func() error { s.may.Store(true); return nil }, phase(opsv1alpha1.PhaseSucceeded)},
		{"the Leases of who has left to go", s.leaves, s.tenMinutesPass([]string{ofCluster + "one", ofCluster + "two", ofReplica + "a"})},
		{"a to end", func() error { s.a.end(); return nil }, ended(func() *replica { return s.a })},
	} {
		if step.begin != nil {
			if err := step.begin(); err != nil {
				return err
			}
		}
		if err := s.step(ctx, step.what, step.missing); err != nil {
			return err
		}
	}
	wrong, err := runs.Twice(ctx)
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("not run once: %v", wrong)
	}
	return err
}

// step waits until what has happened is over, and nothing is missing.
func (s *sharing) step(ctx context.Context, what string, missing func(context.Context) string) error {
	s.note("waiting for " + what)
	return s.await(ctx, what, func(ctx context.Context) string {
		if s.over.IsZero() && s.struck() {
			s.over = time.Now().Add(s.lasts)
		}
		if left := time.Until(s.over); left > 0 {
			return fmt.Sprintf("what has happened lasts for %s more", left.Round(time.Millisecond))
		}
		return missing(ctx)
	})
}

// serve tells whether every cluster's Lease is held by a run of a replica that is alive, in the order of shared.
func (s *sharing) serve(by ...string) func(context.Context) string {
	return func(context.Context) string {
		now := s.ledger.holders()
		for i, cluster := range shared {
			if r := now[cluster]; !r.isAlive() || r.replica != by[i] {
				return fmt.Sprintf("cluster %s is held by %s (alive: %t)", cluster, r, r.isAlive())
			}
		}
		return ""
	}
}

func (s *sharing) renewed(ctx context.Context) string {
	for i, by := range []string{"b", "a", "a"} {
		if n := s.ledger.count(by, "renews "+ofCluster+shared[i]); n < often {
			return fmt.Sprintf("%s has renewed %s %d times", by, shared[i], n)
		}
	}
	return s.serve("b", "a", "a")(ctx)
}

func (s *sharing) phase(runs *crowd.Runs, p opsv1alpha1.OperationPhase) func(context.Context) string {
	return func(ctx context.Context) string {
		phases, err := runs.Phases(ctx)
		if err != nil || phases[p] != len(shared) {
			return fmt.Sprint(phases, err)
		}
		return ""
	}
}

// leaves: the third cluster is taken away.
func (s *sharing) leaves() error {
	return s.Hub.Delete(context.Background(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: shared[2]}}, client.GracePeriodSeconds(0))
}

func ended(r func() *replica) func(context.Context) string {
	return func(context.Context) string {
		select {
		case <-r().over:
			return ""
		default:
			return "it has not"
		}
	}
}

// end waits for all that runs.
func (s *sharing) end() {
	for _, r := range []*replica{s.a, s.b} {
		if r != nil {
			<-r.over
		}
	}
	s.with.Wait()
}
