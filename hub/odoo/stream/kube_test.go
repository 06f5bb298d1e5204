// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/hub/odoo/wire"
	"vworkspace.io/fleet/placement"
)

// place is a namespace of the API server, a sink that hears what happens there, and the hub's namespace.
type place struct {
	t     *testing.T
	space string // also the hub's own
	clock *clocktesting.FakeClock
	sink  *guarded
	stop  func()
	*Stream
}

// guarded is a fake sink that may be asked and told at the same time.
type guarded struct {
	mu sync.Mutex
	*fakeSink
	down error
}

func (g *guarded) Deliver(ctx context.Context, events []wire.Event) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down != nil {
		return g.down
	}
	return g.fakeSink.Deliver(ctx, events)
}

func (g *guarded) set(down error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = down
}

// told are the kinds of the events that it was told first, and of conditions their types.
func (g *guarded) told() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, key := range g.order {
		e := g.keys[key]
		switch {
		case e.Snapshot:
			all = append(all, "snapshot")
		case e.Kind == wire.EventCondition:
			all = append(all, e.Conditions[0].Type)
		default:
			all = append(all, e.Kind)
		}
	}
	return all
}

func newPlace(t *testing.T) *place {
	p := &place{t: t, clock: clocktesting.NewFakeClock(time.Now()), sink: &guarded{}}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "stream-"}}
	p.must(api.Create(t.Context(), space))
	p.space = space.Name
	p.sink.fakeSink = newFakeSink(AuditSinkPrefix + p.space)
	p.sink.wants = func(e *wire.Event) bool { return e.ResourceRef.Namespace == p.space }
	a := &opsv1alpha1.AuditSink{ObjectMeta: metav1.ObjectMeta{Name: p.space}}
	a.Spec.CloudEvents = &opsv1alpha1.CloudEventsSink{Endpoint: "https://ce.example.com"}
	p.must(api.Create(t.Context(), a))
	t.Cleanup(func() {
		if err := api.Delete(context.Background(), a); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// start a hub's stream, with what its API client does otherwise.
func (p *place) start(budget int, otherwise interceptor.Funcs) {
	p.t.Helper()
	options := hub.ManagerOptions()
	options.Cache.ByObject = nil // the types of OCM are not served here
	options.Metrics = server.Options{BindAddress: "0"}
	options.Controller = config.Controller{SkipNameValidation: ptr.To(true)}
	options.NewClient = func(c *rest.Config, o client.Options) (client.Client, error) {
		plain, err := client.NewWithWatch(c, client.Options{Scheme: o.Scheme})
		if err != nil {
			return nil, err
		}
		cached, err := client.New(c, o)
		if err != nil {
			return nil, err
		}
		changed := interceptor.NewClient(plain, otherwise)
		return &readsFrom{Client: changed, cached: cached}, nil
	}
	mgr, err := ctrl.NewManager(apiConfig, options)
	p.must(err)
	p.Stream, err = New(mgr, Options{Namespace: p.space, Budget: budget, Clock: p.clock})
	p.must(err)
	ctx, cancel := context.WithCancel(p.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		p.t.Fatal("the cache did not start")
	}
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			p.t.Error(err)
		}
	})
	p.t.Cleanup(func() { p.stop() })
	p.must(p.Add(p.t.Context(), p.sink, false))
}

// readsFrom a cache, as a manager's client does.
type readsFrom struct {
	client.Client
	cached client.Client
}

func (c *readsFrom) Get(ctx context.Context, k client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	return c.cached.Get(ctx, k, o, opts...)
}

func (c *readsFrom) List(ctx context.Context, l client.ObjectList, opts ...client.ListOption) error {
	return c.cached.List(ctx, l, opts...)
}

// create an Operation of two clusters that runs, held as the hub holds it.
func (p *place) create(name string, finalizers ...string) *opsv1alpha1.Operation {
	p.t.Helper()
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: p.space, Name: name, Finalizers: finalizers}}
	op.Spec.Type, op.Spec.TargetRef = opsv1alpha1.TypeBackup, nil
	op.Spec.Placement = &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}
	op.Spec.Selector = &opsv1alpha1.InstanceSelector{}
	p.must(api.Create(p.t.Context(), op))
	op.Transition(p.clock.Now()).Accept("it makes sense")
	op.Transition(p.clock.Now()).Run(opsv1alpha1.ReasonRollingOut, "it runs")
	op.Status.Plan = &opsv1alpha1.PlanStatus{Name: "plan", Chunks: 1, Clusters: 2}
	p.must(api.Status().Update(p.t.Context(), op))
	return op
}

// end an Operation, with the results of its clusters.
func (p *place) end(op *opsv1alpha1.Operation) {
	p.t.Helper()
	p.must(api.Get(p.t.Context(), client.ObjectKeyFromObject(op), op))
	data, err := placement.EncodeResults([]placement.ClusterResult{
		{Cluster: "a", State: placement.Succeeded, FinishedAt: placement.At(p.clock.Now())}, {Cluster: "b", State: placement.Failed, Message: "disk full"},
	})
	p.must(err)
	p.must(api.Create(p.t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.space, Name: hub.ResultName(op) + "-0", Labels: map[string]string{opsv1alpha1.LabelOperation: string(op.UID)}},
		BinaryData: map[string][]byte{"data.json.gz": data},
	}))
	op.Status.Summary = &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: 2, Succeeded: 1, Failed: 1}}
	op.Transition(p.clock.Now()).Fail(opsv1alpha1.ReasonSomeFailed, "1 of 2 clusters failed")
	p.must(api.Status().Update(p.t.Context(), op))
}

// eventually something is so, while time goes by.
func (p *place) eventually(what string, is func() (string, bool)) {
	p.t.Helper()
	last := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		now, ok := is()
		if ok {
			return
		}
		last = now
		p.clock.Step(time.Second)
		select {
		case <-p.t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	p.t.Fatalf("%s: still %s", what, last)
}

func (p *place) eventuallyTold(want ...string) {
	p.t.Helper()
	p.eventually(fmt.Sprintf("told %v", want), func() (string, bool) {
		told := p.sink.told()
		return fmt.Sprint(told), slices.Equal(told, want)
	})
	p.sink.mu.Lock()
	defer p.sink.mu.Unlock()
	for _, wrong := range p.sink.wrong {
		p.t.Error(wrong)
	}
}

func (p *place) eventuallyGone(op *opsv1alpha1.Operation) {
	p.t.Helper()
	p.eventually(op.Name+" is gone", func() (string, bool) {
		err := api.Get(p.t.Context(), client.ObjectKeyFromObject(op), op)
		return fmt.Sprint(op.Finalizers, err), apierrors.IsNotFound(err)
	})
}

func (p *place) letters() int {
	p.t.Helper()
	list := &corev1.ConfigMapList{}
	p.must(api.List(p.t.Context(), list, client.InNamespace(p.space), client.MatchingLabels{opsv1alpha1.LabelPart: opsv1alpha1.PartLetter}))
	return len(list.Items)
}

func (p *place) eventuallyLetters(n int) {
	p.t.Helper()
	p.eventually(fmt.Sprintf("%d letters", n), func() (string, bool) { got := p.letters(); return fmt.Sprint(got), got == n })
}

var errDown = errors.New("away (in a test)")

func TestAnOperationIsHeldUntilItWasTold(t *testing.T) {
	p := newPlace(t)
	early := p.create("early") // before there was anybody to hold it
	p.start(0, interceptor.Funcs{})
	p.eventually("early is held", func() (string, bool) {
		p.must(api.Get(t.Context(), client.ObjectKeyFromObject(early), early))
		return fmt.Sprint(early.Finalizers), slices.Contains(early.Finalizers, opsv1alpha1.ReportFinalizer)
	})
	p.end(early)
	p.eventuallyTold("Accepted", "Running", wire.EventClusterResult, wire.EventClusterResult, "Failed")
	p.eventually("early is let go", func() (string, bool) {
		p.must(api.Get(t.Context(), client.ObjectKeyFromObject(early), early))
		got := fmt.Sprint(early.Finalizers, early.Annotations[opsv1alpha1.AnnotationReported])
		return got, len(early.Finalizers) == 0 && early.Annotations[opsv1alpha1.AnnotationReported] == p.sink.name
	})
	e := p.sink.keys["result/"+string(early.UID)+"/b/0"]
	if e.Cluster != "b" || e.Conditions[0].Message != "disk full" || e.Audit.Action != "Backup" || e.Audit.Target != "Placement/all" || e.Audit.Failed != 1 {
		t.Errorf("the result of b is %+v", e)
	}
	p.stop()
	p.start(0, interceptor.Funcs{}) // what was told is not told again, but how it stands
	p.eventuallyTold("Accepted", "Running", wire.EventClusterResult, wire.EventClusterResult, "Failed", "snapshot")
}

func TestWhatIsDeletedWhileASinkIsAwayIsToldByLetter(t *testing.T) {
	p := newPlace(t)
	p.sink.set(errDown)
	p.start(0, interceptor.Funcs{})
	op := p.create("gone", opsv1alpha1.ReportFinalizer)
	live := p.create("live", opsv1alpha1.ReportFinalizer)
	p.end(op)
	p.must(api.Delete(t.Context(), op))
	p.eventuallyGone(op)
	p.eventuallyLetters(1)
	p.stop()
	p.start(0, interceptor.Funcs{}) // another replica
	p.eventually("the new one is away too", func() (string, bool) { s, _ := p.State(p.sink.name); return fmt.Sprint(s), s.Err != nil })
	p.sink.set(nil)
	p.eventuallyTold("Accepted", "Running", wire.EventClusterResult, wire.EventClusterResult, "Failed", wire.EventDeleted, "Accepted", "Running")
	p.eventuallyLetters(0)
	p.must(api.Delete(t.Context(), live))
	p.eventuallyGone(live)
}

func TestAFullOutboxKeepsWhatIsDeleted(t *testing.T) {
	p := newPlace(t)
	p.sink.set(errDown)
	p.start(100, interceptor.Funcs{})
	op := p.create("stays", opsv1alpha1.ReportFinalizer)
	p.end(op)
	p.must(api.Delete(t.Context(), op))
	p.eventually("the outbox is full", func() (string, bool) {
		s, _ := p.State(p.sink.name)
		c := s.Overflow()
		return fmt.Sprint(c), c.Status == metav1.ConditionTrue && c.Reason == opsv1alpha1.ReasonOutboxFull
	})
	p.must(api.Get(t.Context(), client.ObjectKeyFromObject(op), op))
	if n := p.letters(); n != 0 {
		t.Errorf("%d letters, with room for none", n)
	}
	p.sink.set(nil)
	p.eventuallyGone(op)
	p.eventuallyTold("Accepted", "Running", wire.EventClusterResult, wire.EventClusterResult, "Failed", wire.EventDeleted)
	p.eventually("the outbox is not full", func() (string, bool) { s, _ := p.State(p.sink.name); return fmt.Sprint(s), !s.Full })
}

func TestNothingIsLostWhileNoLetterCanBeWritten(t *testing.T) {
	p := newPlace(t)
	p.sink.set(errDown)
	var mu sync.Mutex
	refused, diskFull := 0, true
	p.start(0, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		mu.Lock()
		defer mu.Unlock()
		if diskFull && strings.HasPrefix(o.GetName(), "vworkspace-letter-") {
			refused++
			return apierrors.NewInternalError(errors.New("etcdserver: mvcc: database space exceeded"))
		}
		return c.Create(ctx, o, opts...)
	}})
	op := p.create("stays", opsv1alpha1.ReportFinalizer)
	p.end(op)
	p.must(api.Delete(t.Context(), op))
	p.eventually("letters are refused", func() (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		return fmt.Sprint(refused), refused > 2
	})
	p.must(api.Get(t.Context(), client.ObjectKeyFromObject(op), op))
	mu.Lock()
	diskFull = false
	mu.Unlock()
	p.eventuallyGone(op)
	p.sink.set(nil)
	p.eventuallyTold("Accepted", "Running", wire.EventClusterResult, wire.EventClusterResult, "Failed", wire.EventDeleted)
}

func TestASnapshotGoesFirstAfterSomebodyWasAway(t *testing.T) {
	p := newPlace(t)
	p.start(0, interceptor.Funcs{})
	quiet := p.create("quiet", opsv1alpha1.ReportFinalizer)
	p.eventuallyTold("Accepted", "Running")
	p.sink.set(errDown)
	busy := p.create("busy", opsv1alpha1.ReportFinalizer)
	p.eventually("it is away", func() (string, bool) { s, _ := p.State(p.sink.name); return fmt.Sprint(s), s.Err != nil && !s.Resynced })
	p.sink.set(nil)
	p.eventuallyTold("Accepted", "Running", "snapshot", "Accepted", "Running")
	p.eventually("it is resynced", func() (string, bool) { return "", p.Resynced(p.sink.name) })
	for _, op := range []*opsv1alpha1.Operation{quiet, busy} {
		p.must(api.Delete(t.Context(), op))
		p.eventuallyGone(op)
	}
}

func TestASinkThatWasNeverAddedIsToldLater(t *testing.T) {
	p := newPlace(t)
	p.start(0, interceptor.Funcs{})
	p.must(p.Remove(t.Context(), p.sink.name)) // its AuditSink is there all the same
	op := p.create("gone", opsv1alpha1.ReportFinalizer)
	p.end(op)
	p.must(api.Delete(t.Context(), op))
	p.eventuallyGone(op)
	p.eventuallyLetters(1)
	p.must(p.Add(t.Context(), p.sink, false))
	p.eventuallyTold("Accepted", "Running", wire.EventClusterResult, wire.EventClusterResult, "Failed", wire.EventDeleted)
}

func TestPostIsWrittenDownFirst(t *testing.T) {
	p := newPlace(t)
	p.sink.set(errDown)
	p.start(0, interceptor.Funcs{})
	e := wire.Event{EventKey: "refused/1", Kind: wire.EventJobRefused, ResourceRef: wire.Ref{Kind: "Job", Namespace: p.space, Name: "1"}}
	for range 2 {
		p.must(p.Post(t.Context(), "job/1", []wire.Event{e}))
	}
	if n := p.letters(); n != 1 {
		t.Fatalf("%d letters, want 1", n)
	}
	p.stop()
	p.sink.set(nil)
	p.start(0, interceptor.Funcs{})
	p.eventuallyTold(wire.EventJobRefused)
	p.eventuallyLetters(0)
}
