// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// concurrency is how many jobs are looked after at once. Each may wait for its control plane.
	concurrency = 8
	// slowest is how long at the most a job waits that was not got further with.
	slowest = 5 * time.Minute
	// keyJobLog names a job in log lines.
	keyJobLog = "job"
)

// Options of Jobs.
type Options struct {
	// Namespace is the hub's own: of the records, and of the ServiceAccounts that jobs are carried out as.
	Namespace string
	// Clock tells the time; the system's when nil.
	Clock clock.Clock
	// Teller is told of what was refused; nobody when nil.
	Teller Teller
	// Events tells people of it; nobody when nil.
	Events events.EventRecorder
}

// Jobs carries out the jobs of all control planes. Only the hub that leads does.
type Jobs struct {
	Options
	cache   client.Reader
	applier *applier
	store   *store
	ledger  *ledger
	log     logr.Logger

	loading sync.Mutex
	loaded  bool

	mu       sync.Mutex
	sessions map[string]*running
	queue    workqueue.TypedRateLimitingInterface[reconcile.Request]
	early    []string // asked for before there was a queue
	stale    map[string]bool
	told     map[string]told
}

// running is a session, and how to end it.
type running struct {
	Session
	stop context.CancelFunc
	done chan struct{}
}

// Setup adds them to a manager. Nothing is done before a session is opened.
func Setup(mgr ctrl.Manager, o Options) (*Jobs, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	j := &Jobs{
		Options: o, cache: mgr.GetClient(), ledger: newLedger(), log: mgr.GetLogger().WithName("jobs"),
		store:    &store{Client: mgr.GetClient(), live: mgr.GetAPIReader(), namespace: o.Namespace},
		sessions: map[string]*running{}, stale: map[string]bool{}, told: map[string]told{},
	}
	j.applier = &applier{
		accounts: accounts{config: mgr.GetConfig(), scheme: mgr.GetScheme(), mapper: mgr.GetRESTMapper(), namespace: o.Namespace},
		live:     mgr.GetAPIReader(), store: *j.store, record: j.ledger.get,
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("job").
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrency,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, slowest),
			LogConstructor: func(r *ctrl.Request) logr.Logger {
				if r == nil {
					return j.log
				}
				return j.log.WithValues(keyJobLog, r.Name)
			},
		}).
		WatchesRawSource(source.Func(j.begin)).
		Watches(&opsv1alpha1.Operation{}, j.followers()).
		Watches(&appsv1alpha1.ApplicationInstance{}, j.followers()).
		Complete(j)
	if err != nil {
		return nil, err
	}
	return j, mgr.Add(manager.RunnableFunc(j.sweepAlways))
}

// begin takes the queue over when the controller starts.
func (j *Jobs) begin(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue = queue
	for _, name := range j.early {
		queue.Add(request(name))
	}
	j.early = nil
	return nil
}

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}

// ask for a pass over records.
func (j *Jobs) ask(names ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, name := range names {
		if j.queue == nil {
			j.early = append(j.early, name)
			continue
		}
		j.queue.Add(request(name))
	}
}

// followers finds the records that wait for what becomes of an object.
func (j *Jobs) followers() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []ctrl.Request {
		var requests []ctrl.Request
		for _, name := range j.ledger.following(o.GetUID()) {
			requests = append(requests, request(name))
		}
		return requests
	})
}

// Open a session: jobs are asked for, and what is open is gone on with, until it is closed. A session of the same control plane is closed first.
func (j *Jobs) Open(ctx context.Context, s Session) error {
	if err := j.load(ctx); err != nil {
		return err
	}
	j.Close(s.ControlPlane)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{Session: s, stop: cancel, done: make(chan struct{})}
	j.mu.Lock()
	j.sessions[s.ControlPlane] = r
	j.mu.Unlock()
	j.ask(j.ledger.open(s.ControlPlane)...)
	go func() {
		defer close(r.done)
		j.poll(ctx, &r.Session)
	}()
	return nil
}

// Close the session of a control plane. The records of its jobs stay: those that are open are gone on with when one of that name is opened again.
func (j *Jobs) Close(controlPlane string) {
	j.mu.Lock()
	r := j.sessions[controlPlane]
	delete(j.sessions, controlPlane)
	j.mu.Unlock()
	if r != nil {
		r.stop()
		<-r.done
	}
}

// Count the records of a control plane's jobs: those whose result is not in yet, and the others. It is not known before a session was opened.
func (j *Jobs) Count(controlPlane string) (open, closed int, known bool) {
	j.loading.Lock()
	known = j.loaded
	j.loading.Unlock()
	open, closed = j.ledger.count(controlPlane)
	return open, closed, known
}

// session of a control plane; nil when there is none.
func (j *Jobs) session(controlPlane string) *Session {
	j.mu.Lock()
	defer j.mu.Unlock()
	if r := j.sessions[controlPlane]; r != nil {
		return &r.Session
	}
	return nil
}

// load the records, once.
func (j *Jobs) load(ctx context.Context) error {
	j.loading.Lock()
	defer j.loading.Unlock()
	if j.loaded {
		return nil
	}
	records, err := j.store.list(ctx)
	if err != nil {
		return err
	}
	for _, r := range records {
		r.resumed = r.State == StateAcked
		j.ledger.put(r)
	}
	j.loaded = true
	return nil
}

// later tells when to look again after an error of a client; false when it is not one that says so.
func later(err error) (time.Duration, bool) {
	if l, ok := errors.AsType[*Later](err); ok {
		return max(l.After, time.Second), true
	}
	return slowest, errors.Is(err, ErrStopped)
}
