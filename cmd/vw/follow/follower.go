// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/placement"
)

// Follower keeps up with one Operation. It is safe for concurrent use.
type Follower struct {
	client client.WithWatch
	works  rest.Interface
	key    types.NamespacedName
	now    func() time.Time

	changed chan struct{} // holds one when there is news
	stale   chan struct{} // holds one when the plan or the kept results are to be read

	mu       sync.Mutex
	op       *opsv1alpha1.Operation
	view     *hub.View
	read     reading // what of the Operation the view was read by
	told     map[types.NamespacedName]*workv1.ManifestWork
	below    map[types.NamespacedName]placement.ClusterResult
	started  map[string]bool      // streams, by name
	pending  map[string]bool      // streams that have not listed all yet
	down     map[string]time.Time // streams without a connection
	why      map[string]string    // by stream
	missing  []string             // in the order of their coming
	blind    bool                 // ManifestWorks, or what is below, cannot be seen
	gone     bool
	stopping context.CancelFunc
	running  sync.WaitGroup
}

// reading is by what of an Operation a view was read.
type reading struct {
	version        string
	chunks         int
	attempt        int32
	done           int32
	at             time.Time
	planned, final bool
}

// New follower of an Operation, on a hub or on a cluster alone. Requests are made as config says, and as c does.
func New(c client.WithWatch, config *rest.Config, key types.NamespacedName, now func() time.Time) (*Follower, error) {
	works, err := worksClient(config)
	if err != nil {
		return nil, err
	}
	return &Follower{
		client: c, works: works, key: key, now: now,
		changed: make(chan struct{}, 1), stale: make(chan struct{}, 1),
		told: map[types.NamespacedName]*workv1.ManifestWork{}, below: map[types.NamespacedName]placement.ClusterResult{},
		started: map[string]bool{}, pending: map[string]bool{}, down: map[string]time.Time{}, why: map[string]string{},
	}, nil
}

// Start reads the Operation, and goes on to follow it until the context ends or Stop is called. The error is the API server's when there is no such Operation.
func (f *Follower) Start(ctx context.Context) error {
	op := &opsv1alpha1.Operation{}
	if err := f.client.Get(ctx, f.key, op); err != nil {
		return err
	}
	ctx, f.stopping = context.WithCancel(ctx)
	f.mu.Lock()
	f.op = op
	f.mu.Unlock()
	f.begin(ctx, "operation", f.operationStream(ctx, op))
	f.findOut(ctx, op)
	f.running.Go(func() { f.keepRead(ctx) })
	f.note()
	f.ask()
	return nil
}

// Stop following.
func (f *Follower) Stop() {
	f.stopping()
	f.running.Wait()
}

// Changed holds something when there is news since the last receive.
func (f *Follower) Changed() <-chan struct{} { return f.changed }

func (f *Follower) note() { signal(f.changed) }

func (f *Follower) ask() { signal(f.stale) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// findOut what lies below an Operation, and follow that too. What a hub has planned is on clusters. A target alone may be one on a hub that is not planned yet, or one
// on this cluster: there, the Operation itself is all there is.
func (f *Follower) findOut(ctx context.Context, op *opsv1alpha1.Operation) {
	switch {
	case onHub(op):
		f.begin(ctx, "works", f.workStream(op))
	case op.Spec.Selector != nil:
		f.begin(ctx, "below", f.belowStream(op))
	}
}

func onHub(op *opsv1alpha1.Operation) bool { return op.Spec.Placement != nil || op.Status.Plan != nil }

// begin a stream, once.
func (f *Follower) begin(ctx context.Context, name string, s *stream) {
	f.mu.Lock()
	begun := f.started[name]
	f.started[name] = true
	f.pending[name] = name != "operation" && !begun
	f.mu.Unlock()
	if begun {
		return
	}
	s.again, s.longest, s.polled = again, longest, polled
	s.up = func() { f.connected(name, nil) }
	s.down = func(err error) { f.connected(name, err) }
	f.running.Go(func() {
		if err := s.run(ctx); err != nil && ctx.Err() == nil {
			f.forbidden(name, err)
		}
	})
}

// connected takes note of whether a stream is.
func (f *Follower) connected(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.pending, name)
		delete(f.down, name)
		delete(f.why, name)
	} else {
		if _, already := f.down[name]; !already {
			f.down[name] = f.now()
		}
		f.why[name] = err.Error()
	}
	f.note()
}

// forbidden takes note of a right that is not there.
func (f *Follower) forbidden(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.pending, name)
	delete(f.down, name)
	switch name {
	case "works":
		f.blind = true
		f.lack("no right to list manifestworks in all namespaces: clusters are shown as the hub last wrote them down, some seconds to minutes late")
	case "below":
		f.blind = true
		f.lack("no right to list operations in all namespaces: instances are only counted, and named when they failed")
	default:
		f.lack(fmt.Sprintf("the Operation cannot be read any more: %v", err))
	}
	f.note()
	f.ask()
}

// lack says that something could not be read, once; for callers that hold the lock.
func (f *Follower) lack(line string) {
	for _, known := range f.missing {
		if known == line {
			return
		}
	}
	f.missing = append(f.missing, line)
}

// Snapshot of what is known.
func (f *Follower) Snapshot() Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Snapshot{
		Operation: f.op, Spoke: !onHub(f.op), Reading: len(f.pending) > 0, Missing: append([]string(nil), f.missing...), Gone: f.gone, blind: f.blind,
	}
	for name, since := range f.down {
		if s.Down.IsZero() || since.Before(s.Down) {
			s.Down, s.Why = since, f.why[name]
		}
	}
	if s.Spoke {
		f.addInstances(&s)
	} else {
		f.addClusters(&s)
	}
	return s
}
