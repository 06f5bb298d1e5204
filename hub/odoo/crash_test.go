// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// point at which a hub is killed: the nth write to the API server, or request to the control plane, before or after it took effect.
type point struct {
	odoo  bool
	n     int
	after bool
}

func (p point) String() string {
	side, when := "write to the API server", "before"
	if p.odoo {
		side = "request to the control plane"
	}
	if p.after {
		when = "after"
	}
	return fmt.Sprintf("%s %s %d", when, side, p.n)
}

// killer ends a hub at a point, as kill -9 would: nothing that it sends afterwards arrives.
type killer struct {
	at   point
	dead chan struct{} // closed at the point

	mu            sync.Mutex
	writes, asked int
	made          map[string]int // how often what was made, or deleted
	unsure        map[string]int // how often it may have been, because the hub was killed at another request meanwhile
}

func (k *killer) isDead() bool {
	select {
	case <-k.dead:
		return true
	default:
		return false
	}
}

// reached tells whether this is the point.
func (k *killer) reached(odoo bool, count *int) (before, after bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	*count++
	here := k.at.odoo == odoo && k.at.n == *count
	return here && !k.at.after, here && k.at.after
}

func (k *killer) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.isDead() {
		close(k.dead)
	}
}

type killing struct {
	*killer
	next http.RoundTripper
}

var errKilled = errors.New("the hub was killed")

// RoundTrip implements http.RoundTripper.
func (k *killing) RoundTrip(r *http.Request) (*http.Response, error) {
	if k.isDead() {
		return nil, errKilled
	}
	if r.Method == http.MethodGet || strings.Contains(r.URL.Path, "/events") {
		return k.next.RoundTrip(r)
	}
	before, after := k.reached(false, &k.writes)
	if before {
		k.kill()
		return nil, errKilled
	}
	resp, err := k.next.RoundTrip(r)
	if r.Header.Get("Impersonate-User") != "" {
		k.count(r.Method+" "+r.URL.Path, err == nil && resp.StatusCode < 300, err != nil)
	}
	if after {
		k.kill()
		return nil, errKilled
	}
	return resp, err
}

func (k *killer) count(what string, made, unsure bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case made:
		k.made[what]++
	case unsure && k.isDead():
		k.unsure[what]++
	}
}

// onRequest of the control plane. Polls, heartbeats and the like are no points: what they do is done again.
func (k *killer) onRequest(q controlplane.Request) controlplane.Verdict {
	if k.isDead() {
		return controlplane.Drop
	}
	if q.Phase == controlplane.After {
		k.mu.Lock()
		here := k.at.odoo && k.at.after && k.at.n == k.asked && q.Operation != controlplane.Events
		k.mu.Unlock()
		if here {
			k.kill()
			return controlplane.Drop
		}
		return controlplane.Proceed
	}
	if q.Operation == controlplane.Events || q.Operation == controlplane.Poll && q.Nth > 1 {
		return controlplane.Proceed
	}
	if before, _ := k.reached(true, &k.asked); before {
		k.kill()
		return controlplane.Drop
	}
	return controlplane.Proceed
}

// flow is a job, and what happens to what it makes.
type flow struct {
	name string
	// prepare before the job comes; nil for nothing.
	prepare func(*bed)
	job     func(*bed) controlplane.NewJob
	// play the other controllers, once the hub is there that lives; nil for nothing.
	play func(*bed)
	// once of what was asked as the ServiceAccount must have been done exactly once.
	once string
}

var flows = []flow{
	{
		name: "operation",
		job: func(b *bed) controlplane.NewJob {
			return controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply, IdempotencyKey: "Operation/b1"}, Object: b.operation("b1")}
		},
		play: func(b *bed) { b.conclude("b1", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "") },
		once: "POST /apis/ops.vworkspace.io/v1alpha1/namespaces/%s/operations",
	},
	{
		name: "instance",
		job: func(b *bed) controlplane.NewJob {
			return controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply, IdempotencyKey: "shop@1"}, Object: b.instance("shop", "c1", "1.0.0")}
		},
		play: func(b *bed) { b.report("shop", metav1.ConditionTrue, appsv1alpha1.ReasonInstalled, "") },
		once: "PATCH /apis/apps.vworkspace.io/v1alpha1/namespaces/%s/applicationinstances/shop",
	},
	{
		name:    "deletion",
		prepare: func(b *bed) { b.create(b.instance("shop", "c1", "1.0.0")) },
		job: func(b *bed) controlplane.NewJob {
			return controlplane.NewJob{Job: wire.Job{Kind: wire.KindDelete}, Object: b.instance("shop", "c1", "1.0.0")}
		},
		once: "DELETE /apis/apps.vworkspace.io/v1alpha1/namespaces/%s/applicationinstances/shop",
	},
}

// TestKilledAnywhere kills the hub at every write and request of a job, and has another one go on.
func TestKilledAnywhere(t *testing.T) {
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) {
			points := 0
			for _, odoo := range []bool{false, true} {
				for n := 1; ; n++ {
					if !killedAt(t, f, point{odoo: odoo, n: n}) {
						break
					}
					killedAt(t, f, point{odoo: odoo, n: n, after: true})
					points += 2
				}
			}
			if t.Logf("killed at %d points", points); points < 10 {
				t.Error("that are too few to be all")
			}
		})
	}
}

// killedAt a point; false when the job was over before it was reached.
func killedAt(t *testing.T, f flow, at point) (reached bool) {
	t.Run(at.String(), func(t *testing.T) {
		b := newBed(t, controlplane.Options{})
		if f.prepare != nil {
			f.prepare(b)
		}
		k := &killer{at: at, dead: make(chan struct{}), made: map[string]int{}, unsure: map[string]int{}}
		b.wrap = func(next http.RoundTripper) http.RoundTripper { return &killing{killer: k, next: next} }
		b.fake.OnRequest(k.onRequest)
		b.secret("odoo-a", map[string]string{opsv1alpha1.SecretToken: b.fake.Token("fleet-1"), opsv1alpha1.SecretClusterID: "fleet-1"})
		b.controlPlane(b.id)
		id := b.enqueue(f.job(b))
		stop := b.startHub()
		over := make(chan struct{})
		go func() {
			defer close(over)
			if f.play != nil && !b.playUntil(k, f.play) {
				return
			}
			alive, cancel := context.WithCancel(b.ctx)
			defer cancel()
			go func() {
				select {
				case <-k.dead:
					cancel()
				case <-alive.Done():
				}
			}()
			_ = b.fake.Wait(alive, func() bool { return b.fake.Job(id).Result != nil })
		}()
		select {
		case <-k.dead:
			reached = true
		case <-over:
			b.settled(id, k)
			reached = k.isDead()
		}
		<-over
		stop()
		b.fake.OnRequest(nil)
		b.fake.ClientKilled()
		if reached {
			second := &killer{dead: make(chan struct{}), made: k.made, unsure: k.unsure}
			b.wrap = func(next http.RoundTripper) http.RoundTripper { return &killing{killer: second, next: next} }
			b.startHub()
			if f.play != nil {
				f.play(b)
			}
		}
		b.expect(id, wire.OutcomeSucceeded, "")
		once := fmt.Sprintf(f.once, b.id)
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.made[once] != 1 && (k.made[once] != 0 || k.unsure[once] != 1) {
			t.Errorf("%s was done %d times", once, k.made[once])
		}
	})
	return reached
}

// playUntil the hub is killed; false when it was before there was anything to play with.
func (b *bed) playUntil(k *killer, play func(*bed)) bool {
	for !k.isDead() {
		list := &opsv1alpha1.OperationList{}
		if err := api.List(b.ctx, list); err != nil {
			return false
		}
		for i := range list.Items {
			if list.Items[i].Namespace == b.id {
				play(b)
				return true
			}
		}
		ai := &appsv1alpha1.ApplicationInstance{}
		if api.Get(b.ctx, types.NamespacedName{Namespace: b.id, Name: "shop"}, ai) == nil {
			play(b)
			return true
		}
	}
	return false
}

// settled waits until a job's record is closed, or the hub is killed before.
func (b *bed) settled(id string, k *killer) {
	b.eventually("the record shall be closed", func() string {
		if k.isDead() || b.fake.Job(id).Result == nil {
			return ""
		}
		if cp := b.readRecord(id); strings.Contains(cp, `"state":"Closed"`) {
			return ""
		}
		return "open"
	})
}
