// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// glance is how often claims are looked at whose turn it is, in case that a Lease has run out.
const glance = time.Second

// shard is this replica's share of the clusters. It implements multicluster.ProviderRunnable.
type shard struct {
	*clusters
	source  Source
	log     logr.Logger
	clock   clock.PassiveClock
	timings Timings
	// holder is what this process calls itself in clusters' Leases: another one than any before it.
	holder   string
	leases   coordinationclient.LeaseInterface
	cache    cache.Cache
	cached   client.Reader
	replicas *replicas
	// presence is held while this replica says that it is there, or that it goes, after which it does not say so again.
	presence sync.Mutex
	gone     bool

	// ready is closed when the other replicas are known.
	ready   chan struct{}
	running context.Context
	by      multicluster.Aware

	mu     sync.Mutex
	claims map[multicluster.ClusterName]*entry
	// closing is set when nothing is to be claimed any more.
	closing bool
	// working are the claims, until they have given back what they hold.
	working sync.WaitGroup
}

// entry is a claim that runs, and how to end it.
type entry struct {
	*claim
	end   context.CancelFunc
	ended chan struct{}
	// version of the kubeconfig that it was configured by.
	version string
}

// holderOf a replica: one that is started again must not take itself for the one before, which may still be at work.
func holderOf(replica string) string { return replica + "_" + string(uuid.NewUUID()) }

// sharing is the manager of a shard's clusters.
type sharing struct {
	mcmanager.Manager
	shard *shard
}

// Start implements mcmanager.Manager. When ctx ends, what this replica serves is handed over before anything else ends: a write that the end of the process
// breaks off may be carried out yet, and its cluster could not be given to another at once.
func (m sharing) Start(ctx context.Context) error {
	inner, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() {
		m.shard.close(ctx)
		end()
	})()
	return m.Manager.Start(inner)
}

// close hands everything over. Nothing is claimed any more, and the others know that from the beginning: they take each cluster as soon as it is given back.
func (s *shard) close(ctx context.Context) {
	s.withdraw(ctx)
	s.mu.Lock()
	s.closing = true
	for _, e := range s.claims {
		e.end()
	}
	s.mu.Unlock()
	s.working.Wait()
}

// Start implements multicluster.ProviderRunnable.
func (s *shard) Start(ctx context.Context, by multicluster.Aware) error {
	if err := s.follow(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	s.announce(ctx)
	s.running, s.by = ctx, by
	close(s.ready)
	s.log.Info("this replica takes its share of the clusters", "replica", s.source.Replica)
	tick := time.NewTicker(glance)
	defer tick.Stop()
	announced, swept := s.clock.Now(), s.clock.Now()
	for {
		select {
		case <-ctx.Done():
			s.close(ctx) // has been, unless the manager ends for a reason of its own
			return nil
		case <-tick.C:
		}
		if s.clock.Since(announced) >= s.timings.Retry {
			announced = s.clock.Now()
			s.announce(ctx)
		}
		if s.clock.Since(swept) >= s.timings.Sweep {
			swept = s.clock.Now()
			s.sweep(ctx)
		}
		if s.replicas.expire() {
			s.log.Info("a replica has been silent for too long; its clusters are taken over", "alive", s.replicas.alive())
		}
		s.lookAll()
	}
}

// lookAll has every claim look again whether there is something to do.
func (s *shard) lookAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.claims {
		if e.holds.Load() != s.replicas.mine(string(e.name)) {
			e.look()
		}
	}
}

// claim a cluster that is reached by a configuration; nil when it is known, and cannot be reached. An unchanged version changes nothing.
func (s *shard) claim(name multicluster.ClusterName, config *rest.Config, version string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.claims[name]
	if ok && e.version == version {
		return nil
	}
	if !ok {
		if s.closing {
			return nil
		}
		c, err := s.newClaim(name)
		if err != nil {
			return err
		}
		e = s.start(c)
	}
	e.version = version
	e.configure(config)
	return nil
}

// start a claim; the caller holds the lock.
func (s *shard) start(c *claim) *entry {
	ctx, end := context.WithCancel(s.running)
	e := &entry{claim: c, end: end, ended: make(chan struct{})}
	s.claims[c.name] = e
	s.working.Go(func() {
		defer close(e.ended)
		c.run(ctx)
	})
	return e
}

// forget a cluster; what is held of it is given back first.
func (s *shard) forget(name multicluster.ClusterName) {
	s.mu.Lock()
	e, ok := s.claims[name]
	s.mu.Unlock()
	if !ok {
		return
	}
	e.end()
	<-e.ended
	s.mu.Lock()
	delete(s.claims, name)
	s.mu.Unlock()
}

func (s *shard) newClaim(name multicluster.ClusterName) (*claim, error) {
	c := &claim{
		name: name, log: s.log.WithValues("cluster", name), retry: s.timings.Retry,
		fence: newFence(s.clock, s.timings.lasts()), looks: make(chan struct{}, 1), led: make(chan context.Context, 1),
		mine: func() bool { return s.replicas.mine(string(name)) },
		serve: func(config *rest.Config) (func(), error) {
			// What is served is stopped by its claim, in order.
			return s.serve(context.WithoutCancel(s.running), name, config, s.by)
		},
	}
	c.lease = &lease{
		LeaseInterface: s.leases, clock: s.clock, cached: s.cached, holder: s.holder,
		key:     client.ObjectKey{Namespace: s.source.Namespace, Name: leaseNameOf(leaseOfCluster, string(name))},
		mayTake: func() bool { return c.holds.Load() || c.mine() },
		renewed: c.renewed, failed: c.failed,
	}
	var err error
	c.elector, err = c.lease.elector(s.timings, func(ctx context.Context) { c.led <- ctx })
	return c, err
}
