// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr/funcr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"vworkspace.io/fleet/engines/all"
	"vworkspace.io/fleet/spoke"
	"vworkspace.io/fleet/spoke/hosted"
)

// brief are timings of Leases that a story can wait for. What is under way when a replica may send no more has a second and a half to arrive.
var brief = hosted.Timings{Duration: 4 * time.Second, Deadline: 2 * time.Second, Retry: 500 * time.Millisecond, Sweep: time.Second}

// replica is one that is kept running: when a run is killed, the next one starts under its name.
type replica struct {
	name  string
	share *share
	// rules of its wire for its first, second, ... run; nil for none.
	rules func(run int) Rule
	// end it in order, and over when that is done.
	end  context.CancelFunc
	over chan struct{}
	// runs have ended when nothing is left of any of them.
	runs sync.WaitGroup
}

// life of a replica, from its start to its death, as the ledger knows it.
type life struct {
	replica string
	n       int
	wire    *Wire
}

// isAlive tells whether what it does has an effect.
func (r *life) isAlive() bool { return r != nil && r.wire.alive.Err() == nil }

func (r *life) String() string {
	if r == nil {
		return "nobody"
	}
	return fmt.Sprintf("run %d of %s", r.n, r.replica)
}

// start a replica, which is kept running until it is ended, or ctx ends.
func (s *share) start(ctx context.Context, name string, rules func(run int) Rule) *replica {
	ctx, end := context.WithCancel(ctx)
	r := &replica{name: name, share: s, rules: rules, end: end, over: make(chan struct{})}
	go func() {
		defer close(r.over)
		r.keep(ctx)
		r.runs.Wait()
	}()
	return r
}

func (r *replica) keep(ctx context.Context) {
	for n := 1; ctx.Err() == nil; n++ {
		var rule Rule
		if r.rules != nil {
			rule = r.rules(n)
		}
		one := &life{replica: r.name, n: n}
		wire := newWire(r.noted(one, rule), ears{wrote: func(Call) {}, failed: func(Call) {}}, func(*Wire, Call) *http.Response { return nil })
		one.wire = wire
		ended := make(chan struct{})
		r.runs.Go(func() {
			defer close(ended)
			r.once(ctx, wire)
		})
		select {
		case <-wire.IsCut():
		case <-ended:
		}
	}
}

// once runs `spoke --hosted` until its wire is cut, or until it has ended in order.
func (r *replica) once(ctx context.Context, wire *Wire) {
	defer wire.Cut()
	running, kill := context.WithCancel(ctx)
	defer kill()
	defer context.AfterFunc(wire.alive, kill)() //nolint:contextcheck // the wire outlives what it kills
	err := r.serve(running, wire)
	inOrder := ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) // the latter while it comes up
	if wire.alive.Err() == nil && !inOrder {
		r.share.note(fmt.Sprintf("%s has stopped by itself: %v", r.name, err))
		r.share.stopped.Store(true)
	}
}

func (r *replica) serve(ctx context.Context, wire *Wire) error {
	scheme := runtime.NewScheme()
	if err := spoke.AddToScheme(scheme); err != nil {
		return err
	}
	source := hosted.Source{Namespace: r.share.namespace, Label: hosted.DefaultLabel, Replica: r.name, Timings: brief, Wrap: wire.Wrap}
	options := manager.Options{Scheme: scheme}
	inProcess(&options, funcr.New(func(_, args string) { r.share.said(r.name, args) }, funcr.Options{}))
	source.Manage(&options)
	api := rest.CopyConfig(r.share.hosting)
	api.Wrap(wire.Wrap)
	local, err := ctrl.NewManager(api, options)
	if err != nil {
		return err
	}
	mgr, err := source.NewManager(local, scheme)
	if err != nil {
		return err
	}
	if err := spoke.Setup(ctx, mgr, spoke.Options{Engines: all.Default(), Workers: hosted.Workers, Discovery: time.Second}); err != nil {
		return err
	}
	return start(ctx, local.GetCache().WaitForCacheSync, mgr, func() {})
}

// noted is a rule all of whose writes are in the ledger when they are really sent.
func (r *replica) noted(by *life, rule Rule) Rule {
	if rule == nil {
		rule = func(_ *Wire, _ Call, send Send) (*http.Response, error) { return send() }
	}
	return func(w *Wire, c Call, send Send) (*http.Response, error) {
		cluster, of := r.share.hosts[c.Request.URL.Host]
		switch {
		case of && c.Method != http.MethodGet:
			return rule(w, c, func() (*http.Response, error) { return r.share.ledger.cluster(by, cluster, c, send) })
		case !of && leaseWrite(c) != "":
			return rule(w, c, func() (*http.Response, error) { return r.share.ledger.leases(by, c, send) })
		}
		return rule(w, c, send)
	}
}

// toLeases tells whether a call of a replica is to where the Leases are, and to no cluster.
func (s *share) toLeases(c Call) bool {
	_, of := s.hosts[c.Request.URL.Host]
	return !of
}
