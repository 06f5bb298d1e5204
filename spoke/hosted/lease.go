// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// leaseLabel marks our Leases by what they stand for: leaseOfCluster or leaseOfReplica.
	leaseLabel     = "app.vworkspace.io/hosted"
	leaseOfCluster = "cluster"
	leaseOfReplica = "replica"
)

// Timings of the Leases.
//
// A replica that cannot renew a cluster's Lease sends nothing to that cluster any more once Retry + Deadline have passed since it sent the last renewal that
// was accepted. Others take the Lease when they have seen no change of it for Duration. The difference is for requests that are under way.
type Timings struct {
	// Duration is for how long a Lease that does not change is somebody's.
	Duration time.Duration
	// Deadline is for how long it is tried to renew one.
	Deadline time.Duration
	// Retry is how long after a renewal the next one is due, and after one that has failed.
	Retry time.Duration
	// Sweep is how often Leases are looked for that are nobody's; a minute when 0.
	Sweep time.Duration
}

// DefaultTimings let a cluster be taken over 15 to 22 s after its replica has died, for one write each 5 s and cluster.
func DefaultTimings() Timings {
	return Timings{Duration: 20 * time.Second, Deadline: 10 * time.Second, Retry: 5 * time.Second}
}

// lasts is for how long after a renewal was sent the cluster may be worked on.
func (t Timings) lasts() time.Duration { return t.Retry + t.Deadline }

// errNotOurTurn is what client-go is told when it would take a Lease that is to be another replica's.
var errNotOurTurn = errors.New("another replica is to serve this cluster")

// lease is the Lease of one cluster as client-go's leader election sees it. It is read from the cache, which watches all of them by one watch, so that looking
// costs nothing; what is written is checked by its resourceVersion. It is not taken while another replica is to have it, and client-go goes on
// to observe it meanwhile: how long a Lease has not changed is known when the turn comes.
type lease struct {
	coordinationclient.LeaseInterface
	clock   clock.PassiveClock
	cached  client.Reader
	key     client.ObjectKey
	holder  string
	mayTake func() bool
	// renewed is called when a write was accepted that makes this process the holder, with the time at which it was sent.
	renewed func(sent time.Time)
	// failed is called with the error when a write was not accepted for another reason than that somebody else was faster.
	failed func(error)
	// writing is set while a write is under way.
	writing atomic.Bool
}

// Leases implements coordinationclient.LeasesGetter.
func (l *lease) Leases(string) coordinationclient.LeaseInterface { return l }

// Get implements coordinationclient.LeaseInterface.
func (l *lease) Get(ctx context.Context, _ string, _ metav1.GetOptions) (*coordinationv1.Lease, error) {
	var found coordinationv1.Lease
	if err := l.cached.Get(ctx, l.key, &found); err != nil {
		return nil, err
	}
	return &found, nil
}

// Create implements coordinationclient.LeaseInterface.
func (l *lease) Create(ctx context.Context, made *coordinationv1.Lease, o metav1.CreateOptions) (*coordinationv1.Lease, error) {
	return l.write(func() (*coordinationv1.Lease, error) { return l.LeaseInterface.Create(ctx, made, o) })
}

// Update implements coordinationclient.LeaseInterface.
func (l *lease) Update(ctx context.Context, changed *coordinationv1.Lease, o metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return l.write(func() (*coordinationv1.Lease, error) { return l.LeaseInterface.Update(ctx, changed, o) })
}

func (l *lease) write(do func() (*coordinationv1.Lease, error)) (*coordinationv1.Lease, error) {
	if !l.mayTake() {
		return nil, errNotOurTurn
	}
	l.writing.Store(true)
	defer l.writing.Store(false)
	sent := l.clock.Now()
	written, err := do()
	switch {
	case err == nil:
		l.renewed(sent)
	case !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && !errors.Is(err, context.Canceled):
		l.failed(err)
	}
	return written, err
}

// release gives the Lease back, if it is still ours. Nothing may be under way any more.
func (l *lease) release(ctx context.Context) error {
	held, err := l.LeaseInterface.Get(ctx, l.key.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case ptr.Deref(held.Spec.HolderIdentity, "") != l.holder:
		return nil
	}
	held.Spec.HolderIdentity = ptr.To("")
	if _, err := l.LeaseInterface.Update(ctx, held, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		return err
	}
	return nil // somebody else was faster
}

// elector makes client-go's leader election for the Lease. started gets the context that ends when it is lost.
func (l *lease) elector(t Timings, started func(context.Context)) (*leaderelection.LeaderElector, error) {
	e, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: l.key.Namespace, Name: l.key.Name},
			Client:     l,
			LockConfig: resourcelock.ResourceLockConfig{Identity: l.holder},
			Labels:     map[string]string{leaseLabel: leaseOfCluster},
		},
		LeaseDuration: t.Duration, RenewDeadline: t.Deadline, RetryPeriod: t.Retry,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: started, OnStoppedLeading: func() {}},
		// client-go would give it back before it says that it was lost.
		ReleaseOnCancel: false,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare to hold Lease %s: %w", l.key, err)
	}
	return e, nil
}
