// SPDX-License-Identifier: Apache-2.0

package crowd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Measurement of replicas: what they take by number of clusters, and how long it takes to take over.
type Measurement struct {
	// Spoke is the agent's binary, and Out where the tables go.
	Spoke string
	Out   io.Writer
	// Sizes are how many clusters one replica serves, one after the other.
	Sizes []int
	// Settle is how long after it serves them all a replica is looked at, and again as long after that: what it does meanwhile is its idling.
	Settle time.Duration
	// Patience bounds every wait.
	Patience time.Duration
}

// Run the measurement: one replica with more and more clusters, then three that share all of them, of which one is killed while an Operation runs on each.
func (m Measurement) Run(ctx context.Context, c *Crowd) error {
	base, err := m.others(ctx, c)
	if err != nil {
		return err
	}
	one, err := c.Start(ctx, m.Spoke, "one")
	if err != nil {
		return err
	}
	m.say("| clusters of one replica | RSS MiB | heap MiB | stacks MiB | goroutines | watches at the API servers | idle CPU ms/s |\n|---|---|---|---|---|---|---|\n")
	if err := m.row(ctx, c, []*Replica{one}, 0, base); err != nil {
		return err
	}
	for _, n := range m.Sizes {
		if err := c.HandOver(ctx, n); err != nil {
			return err
		}
		if err := m.row(ctx, c, []*Replica{one}, n, base); err != nil {
			return err
		}
	}
	replicas := []*Replica{one}
	for _, name := range []string{"two", "three"} {
		r, err := c.Start(ctx, m.Spoke, name)
		if err != nil {
			return err
		}
		replicas = append(replicas, r)
	}
	m.say("\n| share of three | RSS MiB | heap MiB | stacks MiB | goroutines | watches of all | idle CPU ms/s |\n|---|---|---|---|---|---|---|\n")
	if err := m.row(ctx, c, replicas, m.Sizes[len(m.Sizes)-1], base); err != nil {
		return err
	}
	return m.kill(ctx, c, replicas, m.Sizes[len(m.Sizes)-1])
}

func (m Measurement) say(format string, args ...any) { _, _ = fmt.Fprintf(m.Out, format, args...) }

// row waits until the replicas serve n clusters together, and then says what each takes.
func (m Measurement) row(ctx context.Context, c *Crowd, replicas []*Replica, n, base int) error {
	var served []int
	if err := m.until(ctx, func(ctx context.Context) bool {
		served = served[:0]
		sum, least := 0, n
		for _, r := range replicas {
			one, err := r.Serves(ctx)
			if err != nil {
				return false
			}
			served, sum, least = append(served, one), sum+one, min(least, one)
		}
		return sum == n && (least > 0 || n == 0)
	}); err != nil {
		return fmt.Errorf("%d clusters are served, want %d: %w", served, n, err)
	}
	if err := m.settle(ctx); err != nil {
		return err
	}
	before, err := usages(ctx, replicas)
	if err != nil {
		return err
	}
	if err := m.settle(ctx); err != nil {
		return err
	}
	after, err := usages(ctx, replicas)
	if err != nil {
		return err
	}
	watches, err := c.watches(ctx)
	if err != nil {
		return err
	}
	const mib = 1 << 20
	for i, u := range after {
		idle := float64((u.CPU - before[i].CPU).Milliseconds()) / m.Settle.Seconds()
		m.say("| %d | %.1f | %.1f | %.1f | %.0f | %d | %.1f |\n", served[i], u.RSS/mib, u.Heap/mib, u.Stacks/mib, u.Goroutines, watches-base, idle)
	}
	return nil
}

func usages(ctx context.Context, replicas []*Replica) (all []Usage, err error) {
	for _, r := range replicas {
		u, err := r.Usage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

// kill the replica with the most clusters while an Operation runs on each.
func (m Measurement) kill(ctx context.Context, c *Crowd, replicas []*Replica, n int) error {
	before, err := c.Holders(ctx)
	if err != nil {
		return err
	}
	share := map[string][]string{}
	for cluster, h := range before {
		share[h.Replica] = append(share[h.Replica], cluster)
	}
	victim := slices.MaxFunc(replicas, func(a, b *Replica) int { return len(share[a.Replica]) - len(share[b.Replica]) })
	runs, err := c.Run(ctx, "killed", c.Clusters[:n], 10*time.Second)
	if err != nil {
		return err
	}
	if err := m.reach(ctx, runs, opsv1alpha1.PhaseRunning, n/4); err != nil {
		return err
	}
	killed := time.Now()
	if err := victim.Kill(); err != nil {
		return err
	}
	theirs, err := runs.Phases(ctx, share[victim.Replica]...)
	if err != nil {
		return err
	}
	times, err := m.takenOver(ctx, c, victim.Replica, share[victim.Replica], killed)
	if err != nil {
		return err
	}
	if err := m.reach(ctx, runs, opsv1alpha1.PhaseSucceeded, n); err != nil {
		return err
	}
	all := time.Since(killed)
	wrong, err := runs.Twice(ctx)
	m.say("\n%s was killed with %d clusters, on which Operations were %v. Taken over after %.1f s (first), %.1f s (median), %.1f s (last). "+
		"All %d Operations have succeeded %.1f s after it was killed. Not run exactly once: %v.\n",
		victim.Replica, len(times), theirs, times[0].Seconds(), times[len(times)/2].Seconds(), times[len(times)-1].Seconds(), n, all.Seconds(), wrong)
	if len(wrong) > 0 {
		err = errors.Join(err, errors.New("an Operation did not run exactly once"))
	}
	return err
}

// reach waits until n Operations are in a phase.
func (m Measurement) reach(ctx context.Context, runs *Runs, phase opsv1alpha1.OperationPhase, n int) error {
	var last map[opsv1alpha1.OperationPhase]int
	if err := m.until(ctx, func(ctx context.Context) bool {
		phases, err := runs.Phases(ctx)
		if err == nil {
			last = phases
		}
		return err == nil && phases[phase] >= n
	}); err != nil {
		return fmt.Errorf("of the Operations %v are there, and %d were to be %s: %w", last, n, phase, err)
	}
	return nil
}

// takenOver waits until the clusters of a replica are others', and says how long after then each was, the soonest first.
func (m Measurement) takenOver(ctx context.Context, c *Crowd, from string, clusters []string, then time.Time) ([]time.Duration, error) {
	taken := map[string]time.Duration{}
	if err := m.until(ctx, func(ctx context.Context) bool {
		now, err := c.Holders(ctx)
		if err != nil {
			return false
		}
		for _, cluster := range clusters {
			if h := now[cluster]; h.Replica != from && h.Replica != "" {
				taken[cluster] = h.Since.Sub(then)
			}
		}
		return len(taken) == len(clusters)
	}); err != nil {
		return nil, fmt.Errorf("%d of %d clusters were taken over: %w", len(taken), len(clusters), err)
	}
	return slices.Sorted(maps.Values(taken)), nil
}

func (m Measurement) until(ctx context.Context, ok func(context.Context) bool) error {
	return wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, m.Patience, true, func(ctx context.Context) (bool, error) { return ok(ctx), nil })
}

func (m Measurement) settle(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(m.Settle):
		return nil
	}
}

// others are the watches that are there without replicas, once no more are added: controllers begin to watch when they have started.
func (m Measurement) others(ctx context.Context, c *Crowd) (int, error) {
	for before := -1; ; {
		now, err := c.watches(ctx)
		if err != nil || now == before {
			return now, err
		}
		before = now
		if err := m.settle(ctx); err != nil {
			return 0, err
		}
	}
}

// watches at the API servers of the clusters, whoever's.
func (c *Crowd) watches(ctx context.Context) (int, error) {
	sum := 0
	for _, s := range c.Fleet.Spokes {
		config := s.Config()
		by, err := rest.HTTPClientFor(config)
		if err != nil {
			return 0, err
		}
		m, err := scrape(ctx, by, config.Host+"/metrics")
		if err != nil {
			return 0, err
		}
		sum += int(m.sum("apiserver_longrunning_requests", "verb", http.MethodGet)) + int(m.sum("apiserver_longrunning_requests", "verb", "WATCH"))
	}
	return sum, nil
}
