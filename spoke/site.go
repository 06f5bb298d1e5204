// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

// Unnamed is the name that the multicluster manager knows a cluster by that is no ManagedCluster of a hub.
// It cannot be the name of one: those are DNS labels.
const Unnamed multicluster.ClusterName = "this_cluster"

// site is one cluster as the reconcilers see it. Reads of its Client come from the cache, writes go to the API server,
// as the agent.
type site struct {
	client.Client
	// name of the ManagedCluster, empty on a spoke without a hub.
	name string
	// agentNamespace is where the agent has its own accounts.
	agentNamespace string
	// live reads from the API server.
	live client.Reader
	// hands write what runs make, as the accounts of their profiles; verdicts say what those may do.
	hands    *hands
	verdicts *verdicts
	// kinds are watched only while they are served.
	kinds *siteKinds
	// remote speaks with what runs there.
	remote   *remote
	recorder events.EventRecorder
	metrics  *Metrics
	// pace of the writes to its Operations.
	pace *pace
	// caches hold what the controllers watch.
	caches cache.Cache
	// filled is set once they hold all that there was.
	filled atomic.Bool
	// engaged ends when the cluster leaves.
	engaged context.Context
}

// sites are the clusters that are engaged, for the reconcilers to find. What is kept about a cluster is kept here, and goes with it.
type sites struct {
	kinds          *lateKinds
	metrics        *Metrics
	agentNamespace string
	newClient      NewClientFunc

	mu    sync.Mutex
	known map[multicluster.ClusterName]*site
}

func newSites(kinds *lateKinds, o Options) *sites {
	return &sites{kinds: kinds, metrics: o.Metrics, agentNamespace: o.AgentNamespace, newClient: o.NewClient, known: map[multicluster.ClusterName]*site{}}
}

// Start implements manager.Runnable. The work is done per cluster.
func (s *sites) Start(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Engage implements multicluster.Aware; ctx ends when the cluster leaves. It must be called before that of any controller. A cluster that came
// back under its name, or whose credentials have changed, is another site: clients are not kept across.
func (s *sites) Engage(ctx context.Context, name multicluster.ClusterName, cl cluster.Cluster) error {
	kinds, err := s.kinds.engage(ctx, name, cl)
	if err != nil {
		return err
	}
	speak, err := newRemote(cl.GetConfig(), cl.GetHTTPClient())
	if err != nil {
		return err
	}
	tell, err := newRecorder(ctx, cl)
	if err != nil {
		return err
	}
	st := &site{
		Client:         cl.GetClient(),
		name:           managedCluster(name),
		agentNamespace: s.agentNamespace,
		live:           cl.GetAPIReader(),
		hands:          newHands(cl, s.newClient),
		verdicts:       newVerdicts(),
		kinds:          kinds,
		remote:         speak,
		recorder:       tell,
		metrics:        s.metrics,
		caches:         cl.GetCache(),
		pace:           newPace(),
		engaged:        ctx,
	}
	if err := s.metrics.operations.Watch(ctx, st.caches); err != nil {
		return err
	}
	s.mu.Lock()
	s.known[name] = st
	s.mu.Unlock()
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		if s.known[name] == st {
			delete(s.known, name)
		}
		s.mu.Unlock()
		cl.GetHTTPClient().CloseIdleConnections()
	})
	return nil
}

// get returns the site of a cluster, or multicluster.ErrClusterNotFound when it has left.
func (s *sites) get(name multicluster.ClusterName) (*site, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st, ok := s.known[name]; ok {
		return st, nil
	}
	return nil, fmt.Errorf("find cluster %q: %w", name, multicluster.ErrClusterNotFound)
}

func managedCluster(name multicluster.ClusterName) string {
	if name == Unnamed {
		return ""
	}
	return string(name)
}

// reader reads from a cache where there is one, and from the API server where there is none or where the cache says that the object does
// not exist: a cache that lags behind our own create must not be taken for an object that was deleted.
func (s *site) reader() client.Reader { return fallThrough{site: s} }

// gated tells whether a namespace is open to this project. A namespace that does not exist is not.
func (s *site) gated(ctx context.Context, namespace string) (bool, error) {
	var ns corev1.Namespace
	if err := s.Get(ctx, client.ObjectKey{Name: namespace}, &ns); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return isGated(&ns), nil
}

func isGated(ns *corev1.Namespace) bool {
	return ns.Labels[appsv1alpha1.LabelNamespaceGate] == appsv1alpha1.NamespaceGated
}

// target reads the instance that an Operation acts on; nil when there is none.
func (s *site) target(ctx context.Context, namespace, name string) (*appsv1alpha1.ApplicationInstance, error) {
	var ai appsv1alpha1.ApplicationInstance
	err := s.reader().Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &ai)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the target: %w", err)
	}
	return &ai, nil
}

type fallThrough struct{ site *site }

// Get implements client.Reader.
func (f fallThrough) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if cached := f.site.cached(obj); cached != nil {
		err := cached.Get(ctx, key, obj, opts...)
		if err == nil || !missing(err) {
			return err
		}
	}
	return f.site.live.Get(ctx, key, obj, opts...)
}

// List implements client.Reader. It always asks the API server: a list cannot tell what a cache has not seen yet, and some caches hold
// only what carries a run's label.
func (f fallThrough) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return f.site.live.List(ctx, list, opts...)
}

// cached is the cache that holds objects like obj, or nil.
func (s *site) cached(obj client.Object) client.Reader {
	switch obj.(type) {
	case *appsv1alpha1.ApplicationInstance, *corev1.Namespace:
		return s.Client
	}
	return s.kinds.cached(obj)
}
