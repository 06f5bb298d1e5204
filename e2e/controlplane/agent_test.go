// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// fast is a clock by which everything happens so many times sooner.
type fast struct {
	clock.RealClock
	began time.Time
	times int
}

func (c fast) Now() time.Time                  { return c.began.Add(time.Since(c.began) * time.Duration(c.times)) }
func (c fast) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
func (c fast) NewTimer(d time.Duration) clock.Timer {
	return c.RealClock.NewTimer(d / time.Duration(c.times))
}
func (c fast) After(d time.Duration) <-chan time.Time { return time.After(d / time.Duration(c.times)) }

// store is what a model of the hub keeps when it is killed.
type store struct {
	mu      sync.Mutex
	token   string
	applied map[string]int
	results map[string]wire.Result
	closed  map[string]bool
	jobs    []string
	told    int
}

func newStore(token string) *store {
	return &store{token: token, applied: map[string]int{}, results: map[string]wire.Result{}, closed: map[string]bool{}}
}

// agent is a model of the hub, as small as the protocol allows: one job after the other, each with one event.
type agent struct {
	client  *wire.Client
	clock   clock.Clock
	store   *store
	backoff wire.Backoff
}

// run until the context ends.
func (a *agent) run(ctx context.Context) error {
	for _, id := range a.open() {
		if err := a.carryOut(ctx, id); err != nil {
			return err
		}
	}
	for {
		var jobs []wire.Job
		err := a.persist(ctx, func() (err error) {
			jobs, err = a.client.Jobs(ctx, 5*time.Second)
			return err
		})
		if err != nil {
			return err
		}
		for _, job := range jobs {
			a.received(job.ID)
			if err := a.carryOut(ctx, job.ID); err != nil {
				return err
			}
		}
	}
}

// carryOut a job from where it is.
func (a *agent) carryOut(ctx context.Context, id string) error {
	if !a.isDecided(id) {
		err := a.persist(ctx, func() error { return a.client.Ack(ctx, id) })
		if wire.Closed(err) {
			a.close(id)
			return nil
		}
		if err != nil {
			return err
		}
		if err := a.persist(ctx, func() error {
			return a.client.Status(ctx, id, wire.Status{Phase: "Running", Timestamp: a.client.Now()})
		}); err != nil && !wire.Closed(err) {
			return err
		}
	}
	result := a.decide(id)
	if err := a.persist(ctx, func() error { return a.client.Result(ctx, id, result) }); err != nil && !wire.Closed(err) {
		return err
	}
	a.close(id)
	return a.tell(ctx)
}

// tell an event of every job that was decided, in order.
func (a *agent) tell(ctx context.Context) error {
	a.store.mu.Lock()
	var events []wire.Event
	for i := a.store.told; i < len(a.store.jobs) && len(events) < wire.MaxEvents; i++ {
		events = append(events, wire.Event{
			EventKey: "told/" + a.store.jobs[i], Kind: wire.EventCondition, Sequence: int64(i + 1), Timestamp: a.clock.Now(),
			ResourceRef: wire.Ref{APIVersion: "v1", Kind: "Operation", Name: "all", UID: "uid"},
		})
	}
	a.store.mu.Unlock()
	if err := a.persist(ctx, func() error { return a.client.Events(ctx, events) }); err != nil {
		return err
	}
	a.store.mu.Lock()
	a.store.told += len(events)
	a.store.mu.Unlock()
	return nil
}

// persist in what may be taken later.
func (a *agent) persist(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			a.backoff.Reset()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !wire.Temporary(err) {
			return err
		}
		select {
		case <-a.clock.After(a.backoff.After(err)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (a *agent) open() []string {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	var open []string
	for _, id := range a.store.jobs {
		if !a.store.closed[id] {
			open = append(open, id)
		}
	}
	return open
}

func (a *agent) received(id string) {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	if _, known := a.store.closed[id]; !known {
		a.store.closed[id] = false
		a.store.jobs = append(a.store.jobs, id)
	}
}

func (a *agent) isDecided(id string) bool {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	_, decided := a.store.results[id]
	return decided || a.store.closed[id]
}

// decide carries the job out, once, and keeps its result.
func (a *agent) decide(id string) wire.Result {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	if r, decided := a.store.results[id]; decided {
		return r
	}
	a.store.applied[id]++
	r := wire.Result{Outcome: wire.OutcomeFailed, Error: fmt.Sprintf("job %s: <none>", id), Timestamp: a.client.Now()}
	a.store.results[id] = r
	return r
}

func (a *agent) close(id string) {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	a.store.closed[id] = true
}
