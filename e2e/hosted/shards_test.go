// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/hosted/crowd"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/spoke/hosted"
)

// takes is how long the simulated pods of Operations run: replicas fall out while they do.
const takes = 5 * time.Second

// shards is a crowd of clusters and three replicas.
type shards struct {
	*crowd.Crowd
	replicas map[string]*crowd.Replica
}

// TestShards is one story on one crowd: three replicas share twelve clusters, of which eleven are logical. While Operations run, one is killed and another
// stands still for longer than its Leases last, and goes on. The third takes over, and no Operation runs twice.
func TestShards(t *testing.T) {
	s := newShards(t, crowd.Options{Logical: 11, Real: 1})
	for _, part := range []struct {
		what string
		do   func(*testing.T, *shards)
	}{
		{"each cluster is served by one replica", func(t *testing.T, s *shards) { s.shared(t) }},
		{"two fall out, and the third serves all", fallsOut},
		{"one that ends in order gives its clusters back at once", ends},
	} {
		if !t.Run(part.what, func(t *testing.T) { part.do(t, s) }) {
			t.Fatal("the rest of the story needs this part")
		}
	}
}

func newShards(t *testing.T, o crowd.Options) *shards {
	t.Helper()
	_, spoke, err := install.Binaries(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &shards{replicas: map[string]*crowd.Replica{}}
	// The crowd outlives t.Context, which ends before the cleanup.
	o.Up = testbed.Options{Progress: t.Output(), Timeout: 10 * time.Minute}
	s.Crowd, err = crowd.Up(context.WithoutCancel(t.Context()), o)
	t.Cleanup(func() {
		if err := s.Down(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two", "three"} {
		if s.replicas[name], err = s.Start(t.Context(), spoke, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.HandOver(t.Context(), len(s.Clusters)); err != nil {
		t.Fatal(err)
	}
	return s
}

// shared waits until every cluster's Lease is held by one of the replicas that there are, each serves those whose Leases it holds, and that stays so.
// It says who serves what.
func (s *shards) shared(t *testing.T) map[string][]string {
	t.Helper()
	var by map[string][]string
	var since time.Time
	s.eventually(t, "the clusters to be shared", func(ctx context.Context) (bool, string) {
		now, missing := s.look(ctx)
		if missing != "" || !maps.EqualFunc(by, now, slices.Equal) {
			by, since = now, time.Now()
		}
		return missing == "" && time.Since(since) > time.Second, missing
	})
	return by
}

// look who serves what; missing is what is not as it is to be in the end.
func (s *shards) look(ctx context.Context) (by map[string][]string, missing string) {
	held, err := s.Holders(ctx)
	if err != nil {
		return nil, err.Error()
	}
	by = map[string][]string{}
	for name := range s.replicas {
		by[name] = nil // who serves what is chance, and a replica may have none
	}
	for _, cluster := range slices.Sorted(maps.Keys(held)) {
		by[held[cluster].Replica] = append(by[held[cluster].Replica], cluster)
	}
	if len(held) != len(s.Clusters) || len(by) != len(s.replicas) {
		return by, fmt.Sprintf("%d of %d Leases are held: %v", len(held), len(s.Clusters), by)
	}
	for name, r := range s.replicas {
		if n, err := r.Serves(ctx); err != nil || n != len(by[name]) {
			return by, fmt.Sprintf("%s holds %v and serves %d (%v)", name, by[name], n, err)
		}
	}
	return by, ""
}

// most is the replica with the most clusters.
func most(by map[string][]string) string {
	return slices.MaxFunc(slices.Sorted(maps.Keys(by)), func(a, b string) int { return len(by[a]) - len(by[b]) })
}

// begin an Operation on every cluster, and wait until some are under way.
func (s *shards) begin(t *testing.T, name string) *crowd.Runs {
	t.Helper()
	runs, err := s.Run(t.Context(), name, s.Clusters, takes)
	if err != nil {
		t.Fatal(err)
	}
	s.eventually(t, "Operations to run", func(ctx context.Context) (bool, string) {
		phases, err := runs.Phases(ctx)
		return err == nil && phases[opsv1alpha1.PhaseRunning] >= len(s.Clusters)/4, fmt.Sprint(phases, err)
	})
	return runs
}

// once waits until all Operations have succeeded, and looks how often each has run.
func (s *shards) once(t *testing.T, runs *crowd.Runs) {
	t.Helper()
	s.eventually(t, "all Operations to succeed", func(ctx context.Context) (bool, string) {
		phases, err := runs.Phases(ctx)
		return err == nil && phases[opsv1alpha1.PhaseSucceeded] == len(s.Clusters), fmt.Sprint(phases, err)
	})
	if wrong, err := runs.Twice(t.Context()); err != nil || len(wrong) > 0 {
		t.Errorf("not run once: %v (%v)", wrong, err)
	}
}

// takenOver waits until the clusters of some replicas are others', and says how long after then.
func (s *shards) takenOver(t *testing.T, from []string, clusters []string, then time.Time) {
	t.Helper()
	s.eventually(t, fmt.Sprintf("the clusters of %v to be taken over", from), func(ctx context.Context) (bool, string) {
		held, err := s.Holders(ctx)
		if err != nil {
			return false, err.Error()
		}
		for _, c := range clusters {
			if h := held[c]; slices.Contains(from, h.Replica) || h.Replica == "" {
				return false, fmt.Sprintf("%s is with %q", c, h.Replica)
			}
		}
		return true, ""
	})
	t.Logf("%d clusters of %v were taken over within %s; a Lease lasts %s", len(clusters), from, time.Since(then).Round(100*time.Millisecond),
		hosted.DefaultTimings().Duration)
}

func fallsOut(t *testing.T, s *shards) {
	by := s.shared(t)
	killed := most(by)
	lost := by[killed]
	delete(by, killed)
	stopped := most(by)
	lost = append(lost, by[stopped]...)
	runs := s.begin(t, "falls-out")
	then := time.Now()
	if err := errors.Join(s.replicas[killed].Kill(), s.replicas[stopped].Signal(syscall.SIGSTOP)); err != nil {
		t.Fatal(err)
	}
	s.takenOver(t, []string{killed, stopped}, lost, then)
	if err := s.replicas[stopped].Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.once(t, runs)
	if err := s.replicas[killed].Restart(); err != nil {
		t.Fatal(err)
	}
	s.shared(t)
}

func ends(t *testing.T, s *shards) {
	by := s.shared(t)
	victim := most(by)
	runs := s.begin(t, "ends")
	then := time.Now()
	if err := s.replicas[victim].Stop(); err != nil {
		t.Fatal(err)
	}
	s.takenOver(t, []string{victim}, by[victim], then)
	delete(s.replicas, victim)
	s.once(t, runs)
	s.shared(t)
}

func (s *shards) eventually(t *testing.T, what string, ok func(ctx context.Context) (bool, string)) {
	t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (done bool, err error) {
		var seen string
		if done, seen = ok(ctx); ctx.Err() == nil {
			last = seen
		}
		return done, nil
	})
	if err != nil {
		t.Fatalf("wait for %s: %v; last seen: %s", what, err, last)
	}
}
