// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

const (
	// sweepEvery is how often Leases are looked for that are nobody's, unless Timings say otherwise.
	sweepEvery = time.Minute
	// stale is for how long such a Lease has not been written. What is held, and who is alive, is written every few seconds.
	stale = 10 * time.Minute
	// withdrawWithin bounds what is done when the process ends.
	withdrawWithin = 2 * time.Second
)

// leaseNameOf a cluster or a replica.
func leaseNameOf(kind, name string) string { return kind + "-" + name }

// follow the Leases: those of the replicas say who is there, and that of a cluster whether it is free, or has been renewed. It returns when all that there are have been seen, or ctx ends.
func (s *shard) follow(ctx context.Context) error {
	informer, err := s.cache.GetInformer(ctx, &coordinationv1.Lease{})
	if err != nil {
		return fmt.Errorf("watch Leases: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: s.sawLease, UpdateFunc: func(_, o any) { s.sawLease(o) }, DeleteFunc: s.leaseGone,
	})
	if err != nil {
		return fmt.Errorf("watch Leases: %w", err)
	}
	toolscache.WaitForCacheSync(ctx.Done(), informer.HasSynced)
	return nil
}

func (s *shard) sawLease(o any) {
	l, ok := o.(*coordinationv1.Lease)
	if !ok {
		return
	}
	switch l.Labels[leaseLabel] {
	case leaseOfReplica:
		if s.replicas.saw(l) {
			s.log.Info("a replica has come", "alive", s.replicas.alive())
			s.lookAll()
		}
	case leaseOfCluster:
		// Also when another has renewed it: client-go counts from when it looks.
		if ptr.Deref(l.Spec.HolderIdentity, "") != s.holder {
			s.lookAt(l)
		}
	}
}

func (s *shard) leaseGone(o any) {
	if t, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = t.Obj
	}
	l, ok := o.(*coordinationv1.Lease)
	if !ok {
		return
	}
	switch l.Labels[leaseLabel] {
	case leaseOfReplica:
		if s.replicas.left(l) {
			s.log.Info("a replica has left", "alive", s.replicas.alive())
			s.lookAll()
		}
	case leaseOfCluster:
		s.lookAt(l)
	}
}

// lookAt the cluster of a Lease.
func (s *shard) lookAt(l *coordinationv1.Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.claims[multicluster.ClusterName(strings.TrimPrefix(l.Name, leaseNameOf(leaseOfCluster, "")))]; ok {
		e.look()
	}
}

// announce that this replica is there. It says so whatever is written there: it is no fence.
func (s *shard) announce(ctx context.Context) {
	s.presence.Lock()
	defer s.presence.Unlock()
	if s.gone {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.timings.Retry)
	defer cancel()
	now := metav1.NewMicroTime(s.clock.Now())
	spec := coordinationv1.LeaseSpec{
		HolderIdentity: ptr.To(s.source.Replica), LeaseDurationSeconds: ptr.To(int32(s.timings.Duration.Seconds())), RenewTime: &now,
	}
	name := leaseNameOf(leaseOfReplica, s.source.Replica)
	l, err := s.leases.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = s.leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{leaseLabel: leaseOfReplica}}, Spec: spec,
		}, metav1.CreateOptions{})
	case err == nil:
		l.Spec = spec
		_, err = s.leases.Update(ctx, l, metav1.UpdateOptions{})
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Error(err, "cannot tell the other replicas that this one is there; trying again", "lease", name)
	}
}

// withdraw tells the other replicas that this one goes.
func (s *shard) withdraw(ctx context.Context) {
	s.presence.Lock()
	defer s.presence.Unlock()
	if s.gone {
		return
	}
	s.gone = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawWithin)
	defer cancel()
	name := leaseNameOf(leaseOfReplica, s.source.Replica)
	if err := s.leases.Delete(ctx, name, metav1.DeleteOptions{}); client.IgnoreNotFound(err) != nil {
		s.log.Error(err, "cannot tell the other replicas that this one goes; they wait until its Lease has run out", "lease", name)
	}
}

// sweep takes away Leases of clusters that have left and of replicas that died. One that changes meanwhile stays.
func (s *shard) sweep(ctx context.Context) {
	var all coordinationv1.LeaseList
	if err := s.cached.List(ctx, &all, client.InNamespace(s.source.Namespace)); err != nil {
		s.log.Error(err, "cannot look for Leases that are nobody's")
		return
	}
	for _, l := range all.Items {
		if !s.isStale(&l) {
			continue
		}
		err := s.leases.Delete(ctx, l.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &l.UID, ResourceVersion: &l.ResourceVersion}})
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			s.log.Error(err, "cannot delete a Lease that is nobody's", "lease", l.Name)
		}
	}
}

// isStale by the times that were written: clocks that differ by minutes cost a Lease that is made again.
func (s *shard) isStale(l *coordinationv1.Lease) bool {
	return l.Spec.RenewTime != nil && s.clock.Since(l.Spec.RenewTime.Time) > stale
}
