// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/klog/v2"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// grace is for how long a cluster that is handed over is waited for to answer what was sent. Longer, and its Lease is not given back but runs out.
const grace = 5 * time.Second

// claim is this replica's claim on one cluster: it contends for the Lease while it is the one to serve the cluster, serves it while it holds the Lease, and
// hands it over when another is to serve it.
//
//	contend -> hold: serve the cluster -> shut the fence -> wait for what was sent -> let the cluster go -> give the Lease back
//	              \-> not renewed: the fence is shut by the clock -> let the cluster go
type claim struct {
	name multicluster.ClusterName
	log  logr.Logger
	// mine tells whether this replica is to serve the cluster, and serve does so with a configuration, until stop is called.
	mine  func() bool
	serve func(config *rest.Config) (stop func(), err error)

	lease   *lease
	elector *leaderelection.LeaderElector
	fence   *fence
	retry   time.Duration

	// config says how to reach the cluster; nil when that cannot be known.
	config atomic.Pointer[rest.Config]
	// looks has something in it when there may be something new: who is to serve the cluster, its configuration, or its Lease.
	looks chan struct{}
	// led are the contexts of terms, from client-go.
	led chan context.Context
	// holds is set while the cluster is served, and owes while the Lease may be ours.
	holds, owes atomic.Bool
	// failing is set while the Lease cannot be written.
	failing atomic.Bool
}

// look again, soon.
func (c *claim) look() {
	select {
	case c.looks <- struct{}{}:
	default:
	}
}

// configure says how the cluster is reached from now on.
func (c *claim) configure(config *rest.Config) {
	c.config.Store(config)
	c.look()
}

// run until ctx ends.
func (c *claim) run(ctx context.Context) {
	for ctx.Err() == nil {
		c.contend(ctx)
	}
}

// contend for the Lease, serve the cluster while it is held, and give it back. It returns when it is worth while to begin anew.
func (c *claim) contend(ctx context.Context) {
	// What is held is given up here, in order, and not when ctx ends. client-go tells of every look at a Lease: what matters is told here.
	turn, end := context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), logr.Discard()))
	ended := make(chan struct{})
	go func() { defer close(ended); c.elector.Run(turn) }()
	quiet := true
	defer func() {
		end()
		<-ended
		if c.owes.Swap(false) && quiet {
			c.giveBack(turn)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-c.looks:
			// client-go looks when it begins, and then every few seconds. What it writes is not broken off.
			if !c.owes.Load() && !c.lease.writing.Load() {
				return
			}
		case led := <-c.led:
			if led.Err() == nil {
				quiet = c.hold(ctx, led)
				return
			}
		}
	}
}

// hold serves the cluster until the Lease is lost, another is to serve the cluster, or ctx ends, and tells whether nothing is under way any more.
func (c *claim) hold(ctx, led context.Context) bool {
	c.log.Info("this replica serves the cluster")
	c.holds.Store(true)
	defer c.holds.Store(false)
	c.fence.set(true)
	stop := c.serveAll(ctx, led)
	c.fence.set(false)
	quiet := false
	if led.Err() == nil {
		patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		quiet = c.fence.quiet(patient)
		cancel()
	}
	stop()
	switch {
	case led.Err() != nil:
		c.log.Info("this replica does not serve the cluster any more: its Lease could not be renewed")
	case !quiet:
		c.log.Info("this replica does not serve the cluster any more; something that was sent has not been answered, so that another waits until the Lease has run out")
	default:
		c.log.Info("this replica does not serve the cluster any more")
	}
	return quiet
}

// serveAll serves the cluster with one configuration after the other. It returns with the last one still served.
func (c *claim) serveAll(ctx, led context.Context) (stop func()) {
	stop = func() {}
	var current *rest.Config
	for led.Err() == nil && ctx.Err() == nil && c.mine() {
		var again <-chan time.Time
		if config := c.config.Load(); config != current {
			stop()
			stop, current = func() {}, config
			if config != nil {
				next, err := c.serve(c.fenced(config))
				if err != nil {
					c.log.Error(err, "cannot serve the cluster; trying again")
					current, again = nil, time.After(c.retry)
				} else {
					stop = next
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-led.Done():
		case <-c.looks:
		case <-again:
		}
	}
	return stop
}

// fenced makes every request by a configuration go through the fence.
func (c *claim) fenced(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(c.fence.wrap)
	return config
}

// renewed is told of every write that makes this process the holder.
func (c *claim) renewed(sent time.Time) {
	c.owes.Store(true)
	c.failing.Store(false)
	c.fence.renew(sent)
}

func (c *claim) failed(err error) {
	if !c.failing.Swap(true) {
		c.log.Error(err, "cannot write the cluster's Lease; trying again")
	}
}

func (c *claim) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := c.lease.release(ctx); err != nil {
		c.log.Error(err, "cannot give the cluster's Lease back; it runs out")
	}
}
