// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/stream"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// ear is a stream that remembers.
type ear struct {
	nobody
	mu       sync.Mutex
	sinks    map[string]stream.Sink
	posted   map[string][]wire.Event
	resynced bool
	asked    int
}

func newEar() *ear {
	return &ear{sinks: map[string]stream.Sink{}, posted: map[string][]wire.Event{}, resynced: true}
}

func (e *ear) Add(_ context.Context, s stream.Sink, _ bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sinks[s.Name()] = s
	return nil
}

func (e *ear) Remove(_ context.Context, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sinks, name)
	return nil
}

func (e *ear) Post(_ context.Context, id string, events []wire.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.posted[id] = events
	return nil
}

func (e *ear) Resynced(string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked++
	return e.resynced
}

func (e *ear) Overflow(string) metav1.Condition {
	return metav1.Condition{Status: metav1.ConditionTrue, Reason: opsv1alpha1.ReasonTransitionsDropped, Message: "3 transitions"}
}

// listening is a bed with a ControlPlane whose stream is an ear.
func listening(t *testing.T, e *ear) *bed {
	t.Helper()
	b := newBed(t, controlplane.Options{})
	b.secret("odoo-a", map[string]string{opsv1alpha1.SecretToken: b.fake.Token("fleet-1"), opsv1alpha1.SecretClusterID: "fleet-1"})
	b.controlPlane(b.id)
	b.startHub(func(o *Options) { o.Stream = e })
	return b
}

func TestRefusalsAreTold(t *testing.T) {
	e := newEar()
	b := listening(t, e)
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindIntent, RequestedBy: "ann"}, Object: intent("dance", nil)})
	b.expect(id, wire.OutcomeFailed, "payload.intent")
	e.mu.Lock()
	told := []wire.Event{}
	for _, events := range e.posted {
		told = append(told, events...)
	}
	e.mu.Unlock()
	if len(told) != 1 || told[0].Kind != wire.EventJobRefused || told[0].EventKey != "job/"+b.id+"/"+id+"/refused" || told[0].Audit.OnBehalfOf != "ann" ||
		!strings.Contains(told[0].Conditions[0].Message, "payload.intent") || told[0].ResourceRef.Name != b.id || !told[0].Terminal() {
		t.Errorf("told was %+v", told)
	}
	b.eventually("there shall be an Event", func() string {
		list := &eventsv1.EventList{}
		b.must(api.List(b.ctx, list))
		for _, ev := range list.Items {
			if ev.Regarding.Name == b.id && ev.Reason == wire.EventJobRefused && strings.Contains(ev.Note, "payload.intent") {
				return ""
			}
		}
		return fmt.Sprint(len(list.Items), " others")
	})
	b.awaitCondition(b.id, opsv1alpha1.ConditionBufferOverflow, metav1.ConditionTrue, opsv1alpha1.ReasonTransitionsDropped)
	e.mu.Lock()
	s := e.sinks["controlplane/"+b.id]
	e.mu.Unlock()
	b.must(s.Deliver(b.ctx, told))
	if !hasEvent(b.fake, told[0].EventKey) {
		t.Error("the sink has not delivered it")
	}
	b.must(api.Delete(b.ctx, b.readControlPlane(b.id)))
	b.eventually("the sink shall go", func() string {
		e.mu.Lock()
		defer e.mu.Unlock()
		return strings.Repeat("there", len(e.sinks))
	})
}

func hasEvent(f *controlplane.Fake, key string) bool {
	for _, e := range f.Events() {
		if e.EventKey == key {
			return true
		}
	}
	return false
}

func TestPollsWaitForTheStream(t *testing.T) {
	e := newEar()
	e.resynced = false
	b := listening(t, e)
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindIntent}, Object: intent("dance", nil)})
	b.awaitCondition(b.id, opsv1alpha1.ConditionConnected, metav1.ConditionTrue, opsv1alpha1.ReasonAnswering) // by the heartbeat
	b.eventually("it shall have asked twice", func() string {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.asked < 2 {
			return "not yet"
		}
		return ""
	})
	if n := b.count(controlplane.Poll); n != 0 {
		t.Errorf("it has polled %d times", n)
	}
	e.mu.Lock()
	e.resynced = true
	e.mu.Unlock()
	b.expect(id, wire.OutcomeFailed, "payload.intent")
	found := false
	for _, ev := range b.fake.Events() {
		found = found || ev.Kind == wire.EventHeartbeat && ev.ResourceRef.Name == b.id
	}
	if !found {
		t.Error("there was no heartbeat")
	}
}

func TestGivenOutAgain(t *testing.T) {
	b := connected(t)
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("b1")})
	b.awaitOperation("b1")
	b.fake.Redeliver(id) // while it is under way
	b.eventually("it shall be acknowledged again", func() string {
		if b.fake.Job(id).Acks < 2 {
			return "not yet"
		}
		return ""
	})
	b.conclude("b1", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "")
	first := b.expect(id, wire.OutcomeSucceeded, "")
	b.eventually("the record shall be closed", func() string {
		if r := b.readRecord(id); !strings.Contains(r, `"Closed"`) {
			return r
		}
		return ""
	})
	b.fake.Redeliver(id)
	b.eventually("it shall be acknowledged again, which is answered with 409", func() string {
		if b.fake.Job(id).Acks < 3 {
			return "not yet"
		}
		return ""
	})
	b.works("fleet-1")
	if got := b.fake.Job(id); got.Result.Timestamp != first.Timestamp {
		t.Errorf("the result is %+v", got.Result)
	}
}

func TestClosedElsewhere(t *testing.T) {
	b := newBed(t, controlplane.Options{})
	b.fake.SetFaults(func(q controlplane.Request) *controlplane.Fault {
		if q.Operation == controlplane.Ack {
			return &controlplane.Fault{Status: 409}
		}
		return nil
	})
	b.secret("odoo-a", map[string]string{opsv1alpha1.SecretToken: b.fake.Token("fleet-1"), opsv1alpha1.SecretClusterID: "fleet-1"})
	b.controlPlane(b.id)
	b.startHub()
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("b1")})
	b.eventually("the record shall be closed", func() string {
		if r := b.readRecord(id); !strings.Contains(r, `"Closed"`) {
			return r
		}
		return ""
	})
	if err := api.Get(b.ctx, types.NamespacedName{Namespace: b.id, Name: "b1"}, &opsv1alpha1.Operation{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("something was made: %v", err)
	}
}

func TestSameThingInOrder(t *testing.T) {
	b := newBed(t, controlplane.Options{})
	b.fake.SetFaults(func(q controlplane.Request) *controlplane.Fault {
		if q.Operation == controlplane.Poll {
			return &controlplane.Fault{Reversed: true}
		}
		return nil
	})
	at := time.Now().Add(-time.Minute)
	var ids []string
	for i := range 5 {
		ids = append(ids, b.enqueue(controlplane.NewJob{
			Job:    wire.Job{Kind: wire.KindApply, CreatedAt: at.Add(time.Duration(i) * time.Second), IdempotencyKey: fmt.Sprintf("shop@%d", i+1)},
			Object: b.instance("shop", "c1", fmt.Sprintf("%d.0.0", i+1)),
		}))
	}
	b.secret("odoo-a", map[string]string{opsv1alpha1.SecretToken: b.fake.Token("fleet-1"), opsv1alpha1.SecretClusterID: "fleet-1"})
	b.controlPlane(b.id)
	b.startHub()
	b.eventually("the last shall win", func() string {
		if got := b.awaitInstance("shop").Spec.Chart.Version; got != "5.0.0" {
			return got
		}
		return ""
	})
	b.report("shop", metav1.ConditionTrue, appsv1alpha1.ReasonInstalled, "")
	for i, id := range ids {
		got := b.result(id)
		switch {
		case i == 4 && got.Outcome == wire.OutcomeSucceeded:
		case i < 4 && got.Outcome == wire.OutcomeNoop && (strings.Contains(got.Error, "has changed it again") || strings.Contains(got.Error, "superseded")):
		default:
			t.Errorf("job %d has the result %s: %s", i, got.Outcome, got.Error)
		}
	}
	if got := b.awaitInstance("shop").Generation; got != 5 {
		t.Errorf("it has generation %d: not each was applied, in order", got)
	}
}

func TestExpiryIsByTheirClock(t *testing.T) {
	b := newBed(t, controlplane.Options{})
	b.fake.SetClockSkew(-time.Hour)
	b.secret("odoo-a", map[string]string{opsv1alpha1.SecretToken: b.fake.Token("fleet-1"), opsv1alpha1.SecretClusterID: "fleet-1"})
	b.controlPlane(b.id)
	b.startHub()
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply, ExpiresAt: time.Now().Add(-30 * time.Minute)}, Object: b.operation("b1")})
	b.conclude("b1", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "")
	b.expect(id, wire.OutcomeSucceeded, "")
}

func TestCatalogEntry(t *testing.T) {
	b := connected(t)
	there := b.instance("shop", "c1", "1.0.0")
	b.create(there)
	b.create(b.instance("own", "c1", "1.0.0"))
	own := b.awaitInstance("own")
	before := own.DeepCopy()
	own.Annotations = map[string]string{"ops.vworkspace.io/backup": "volsync"}
	b.must(api.Patch(b.ctx, own, client.MergeFrom(before), client.FieldOwner("kubectl")))
	template := map[string]any{
		"apiVersion": "ops.vworkspace.io/v1alpha1", "kind": "OperationTemplate", "metadata": map[string]any{"name": "backup-" + b.id},
		"spec": map[string]any{"type": "Backup", "engine": "velero", "rbacProfile": "backup"},
	}
	entry := func(capabilities map[string]any) string {
		return b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindIntent, IdempotencyKey: ""}, Object: intent("ensure-catalog-entry", map[string]any{
			"catalogId": "shop-" + b.id, "templates": []any{template}, "capabilities": capabilities,
		})})
	}
	b.expect(entry(map[string]any{"backup": "velero", "upgrade": "helm"}), wire.OutcomeConflict,
		`1 of 2 instances do not take the capabilities, the others have them; `+b.id+`/own: metadata.annotations.ops.vworkspace.io/backup is held by "kubectl"`)
	if got := b.awaitInstance("shop").Annotations; got["ops.vworkspace.io/backup"] != "velero" || got["ops.vworkspace.io/upgrade"] != "helm" {
		t.Errorf("it advertises %v", got)
	}
	made := &opsv1alpha1.OperationTemplate{}
	b.must(api.Get(b.ctx, types.NamespacedName{Name: "backup-" + b.id}, made))
	t.Cleanup(func() { _ = api.Delete(context.Background(), made) })
	b.must(api.Delete(b.ctx, own))
	b.expect(entry(map[string]any{"backup": "velero"}), wire.OutcomeSucceeded, "")
	if got := b.awaitInstance("shop").Annotations; got["ops.vworkspace.io/backup"] != "velero" || got["ops.vworkspace.io/upgrade"] != "" {
		t.Errorf("it advertises %v", got)
	}
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.instance("later", "c1", "1.0.0")})
	b.report("later", metav1.ConditionTrue, appsv1alpha1.ReasonInstalled, "")
	b.expect(id, wire.OutcomeSucceeded, "")
	if got := b.awaitInstance("later").Annotations["ops.vworkspace.io/backup"]; got != "velero" {
		t.Errorf("an instance that came later advertises %q", got)
	}
	templateGone := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindDelete}, Object: template})
	b.expect(templateGone, wire.OutcomeSucceeded, "")
}

func TestJobTimeout(t *testing.T) {
	b := connected(t, func(cp *opsv1alpha1.ControlPlane) { cp.Spec.JobTimeout = &metav1.Duration{Duration: time.Second} })
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.instance("shop", "c1", "1.0.0")})
	b.expect(id, wire.OutcomeFailed, "not done within 1s (spec.jobTimeout of the ControlPlane)")
	b.awaitInstance("shop")
}

func TestInstanceForNoCluster(t *testing.T) {
	b := connected(t)
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.instance("shop", "", "1.0.0")})
	b.expect(id, wire.OutcomeFailed, "metadata.labels: app.vworkspace.io/cluster-id is missing")
}
