// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// schedules of random faults that TestOdooSchedules tries: some of each kind are in every one.
const (
	schedules     = 9
	longSchedules = 300
)

// odooChances are what may happen to a request to Odoo. What ends a job, or the session, is not among it: nothing could come of the story then, and it has tests of its own.
var odooChances = controlplane.Chances{
	Latency: 0.05, AnswerLatency: 0.05, MaxLatency: 300 * time.Millisecond, Reset: 0.06, ResetAfter: 0.08, Cut: 0.06, ServerError: 0.06, ServerErrorAfter: 0.05,
	RateLimit: 0.04, MaxRetryAfter: time.Second, MediaType: 0.03, Again: 0.15, Reversed: 0.3,
}

// TestOdooSchedules: random faults between the hub and Odoo, and between the hub and its API server, deliveries twice and in another order, and kills of the hub at random
// requests. Each job has its one result, nothing runs twice, and Odoo knows in the end of every Operation how it ended, and on each cluster.
func TestOdooSchedules(t *testing.T) {
	n := schedules
	if *long {
		n = longSchedules
	}
	var faulted, killed atomic.Int64
	t.Run("all", func(t *testing.T) {
		for i := range n {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(*seed, uint64(i)))
				stormy := random.IntN(2) == 0
				storms := rand.New(rand.NewPCG(random.Uint64(), 0))
				faults := Faults{Random: random, Meanwhile: func(_ context.Context, w *World) error {
					w.Odoo.SetFaults(controlplane.Random(random.Uint64(), odooChances, 4))
					killed.Add(int64(w.killAtRequests(random)))
					return nil
				}}
				if stormy {
					faults.Rules = map[string]func(int) Rule{Hub.Name: func(int) Rule { return Storm(storms, 2*time.Second, 0.1) }}
				}
				tell(t, odooDay(&faulted), faults, Report{})
			})
		}
	})
	t.Logf("%d schedules: %d requests to Odoo met a fault, and the hub was to be killed at %d", n, faulted.Load(), killed.Load())
}

// killAtRequests has the hub killed at up to four of its requests to Odoo, before or after they take effect, and tells at how many.
func (w *World) killAtRequests(random *rand.Rand) int {
	at := map[int]controlplane.Phase{}
	for range random.IntN(5) {
		at[1+random.IntN(40)] = []controlplane.Phase{controlplane.Before, controlplane.After}[random.IntN(2)]
	}
	w.Odoo.OnRequest(func(q controlplane.Request) controlplane.Verdict {
		if phase, chosen := at[q.Number]; chosen && phase == q.Phase {
			w.Kill(Hub)
		}
		return controlplane.Proceed
	})
	return len(at)
}

// odooDay: Odoo asks for three Operations at once, one of them under two ids, and for one that makes no sense; then has the first deleted.
func odooDay(faulted *atomic.Int64) Story {
	return Story{
		Name:   "odoo's day",
		Odoo:   true,
		Before: both(instances(opsv1alpha1.EngineJob), (*World).connectOdoo),
		Tell: func(w *World) error {
			defer func() {
				for _, n := range w.Odoo.FaultCounts() {
					faulted.Add(int64(n))
				}
			}()
			want := map[string]string{"again": "", "nonsense": wire.OutcomeFailed}
			request := func(id, name string, change func(*opsv1alpha1.Operation)) error {
				op := tool(name)
				change(op)
				_, err := w.Odoo.EnqueueJob(controlplane.NewJob{
					Job:    wire.Job{ID: id, Kind: wire.KindIntent, IdempotencyKey: "operation/apps/" + name + "@1", RequestedBy: "marie"},
					Object: map[string]any{"intent": "request-operation", "operation": op},
				})
				return err
			}
			as := func(*opsv1alpha1.Operation) {}
			var steps []func() error
			for _, name := range []string{"a-op", "b-op", "c-op"} {
				want[name] = wire.OutcomeSucceeded
				steps = append(steps, func() error { return request(name, name, as) })
			}
			steps = append(steps,
				func() error { return request("again", "b-op", as) },
				func() error {
					return request("nonsense", "d-op", func(op *opsv1alpha1.Operation) { op.Spec.Type = "Nonsense" })
				},
				func() error { return w.outcomes(want) },
				w.hears("a-op"), w.hears("b-op"), w.hears("c-op"),
				w.asks(deletion("a-op"), wire.OutcomeSucceeded),
			)
			return inTurn(steps...)
		},
	}
}

// deletion of an Operation, as a job.
func deletion(name string) controlplane.NewJob {
	return controlplane.NewJob{
		Job:    wire.Job{ID: "delete-" + name, Kind: wire.KindDelete},
		Object: map[string]any{"apiVersion": opsv1alpha1.GroupVersion.String(), "kind": "Operation", "namespace": apps, "name": name},
	}
}

// outcomes waits until each of some jobs has its result, and holds that it is that. Of two jobs with one key either may be the one that does nothing.
func (w *World) outcomes(want map[string]string) error {
	if err := w.await("the results of all jobs", func() string {
		for id := range want {
			if w.Odoo.Job(id).Result == nil {
				return id + " has none"
			}
		}
		return ""
	}); err != nil {
		return err
	}
	noops := 0
	for id, outcome := range want {
		result := w.Odoo.Job(id).Result
		if result.Outcome == wire.OutcomeNoop && (id == "again" || id == "b-op") {
			noops++
			continue
		}
		if outcome != "" && result.Outcome != outcome || outcome == "" && result.Outcome != wire.OutcomeSucceeded {
			return fmt.Errorf("job %s: %s: %s", id, result.Outcome, result.Error)
		}
	}
	if noops != 1 {
		return fmt.Errorf("of two jobs with one key %d did nothing, want 1", noops)
	}
	return nil
}
