// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/source"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// fluxGroups is what the API groups of Flux end with.
const fluxGroups = ".toolkit.fluxcd.io"

// silentAfter is for how many times the interval of asking an answer of an API server holds.
const silentAfter = 3

// lateKinds watches kinds whose CRD may be installed after the agent has started, and may go again: an informer for a kind that is not
// served would keep the whole agent from starting. Their cache is a separate one for the same reason: whoever waits for the
// agent's own cache must not wait for a kind that cannot be listed.
type lateKinds struct {
	kinds []client.Object
	// every is how often it is asked which kinds are served.
	every time.Duration

	mu    sync.Mutex
	sites map[multicluster.ClusterName]*siteKinds
}

func newLateKinds(every time.Duration, kinds ...client.Object) *lateKinds {
	return &lateKinds{kinds: kinds, every: every, sites: map[multicluster.ClusterName]*siteKinds{}}
}

// engage begins to watch a cluster, until ctx ends. It must be called before that of any controller that uses source.
func (k *lateKinds) engage(ctx context.Context, name multicluster.ClusterName, cl cluster.Cluster) (*siteKinds, error) {
	s, err := newSiteKinds(cl, k.every, k.kinds)
	if err != nil {
		return nil, fmt.Errorf("prepare to watch engines: %w", err)
	}
	k.mu.Lock()
	k.sites[name] = s
	k.mu.Unlock()
	context.AfterFunc(ctx, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.sites[name] == s {
			delete(k.sites, name)
		}
	})
	ctx = log.IntoContext(ctx, log.FromContext(ctx).WithName("kinds").WithValues("cluster", name))
	for _, c := range []cache.Cache{s.all, s.ofRuns} {
		go func() {
			if err := c.Start(ctx); err != nil {
				log.FromContext(ctx).Error(err, "a cache of engine objects stopped; they are read from the API server instead")
			}
		}()
	}
	go wait.UntilWithContext(ctx, s.look, k.every)
	return s, nil
}

func (k *lateKinds) of(name multicluster.ClusterName) (*siteKinds, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, ok := k.sites[name]; ok {
		return s, nil
	}
	return nil, fmt.Errorf("cluster %q is not engaged: %w", name, multicluster.ErrClusterNotFound)
}

// clusters counts those whose API servers answer, and the others.
func (k *lateKinds) clusters() (available, away int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.sites {
		if s.answers() {
			available++
		}
	}
	return available, len(k.sites) - available
}

// source feeds a controller: event maps an object of a watched kind, served lists whom it concerns that a kind came or went.
func (k *lateKinds) source(event func(context.Context, client.Client, client.Object) []client.ObjectKey,
	served func(context.Context, client.Client) []client.ObjectKey) kindSource {
	return kindSource{kinds: k, event: event, served: served}
}

type kindSource struct {
	kinds  *lateKinds
	event  func(context.Context, client.Client, client.Object) []client.ObjectKey
	served func(context.Context, client.Client) []client.ObjectKey
}

// ForCluster implements the multicluster TypedSource.
func (k kindSource) ForCluster(name multicluster.ClusterName, cl cluster.Cluster) (source.TypedSource[mcreconcile.Request], bool, error) {
	return source.TypedFunc[mcreconcile.Request](func(ctx context.Context, q workqueue.TypedRateLimitingInterface[mcreconcile.Request]) error {
		s, err := k.kinds.of(name)
		if err != nil {
			// It has left while it was arriving. An error here would be the end of the process, and of its other clusters.
			log.FromContext(ctx).V(1).Info("nothing to listen to", "cluster", name, "error", err.Error())
			return nil
		}
		add := func(keys []client.ObjectKey) {
			for _, key := range keys {
				r := mcreconcile.Request{ClusterName: name}
				r.NamespacedName = key
				q.Add(r)
			}
		}
		s.listen(ctx, listener{
			event:  func(obj client.Object) { add(k.event(ctx, cl.GetClient(), obj)) },
			served: func() { add(k.served(ctx, cl.GetClient())) },
		})
		return nil
	}), true, nil
}

type listener struct {
	event  func(client.Object)
	served func()
}

// siteKinds is what one cluster serves of the kinds.
type siteKinds struct {
	kinds     map[schema.GroupVersionKind]client.Object
	scheme    *runtime.Scheme
	discovery *discovery.DiscoveryClient
	// all objects of a kind, and those of runs; see cacheOf.
	all, ofRuns cache.Cache
	// every is how often it is asked, and silent whether that went without an answer when it was told last.
	every  time.Duration
	silent bool

	mu        sync.Mutex
	answered  time.Time // last
	informers map[schema.GroupVersionKind]cache.Informer
	listeners map[int]listener
	next      int
}

func newSiteKinds(cl cluster.Cluster, every time.Duration, kinds []client.Object) (*siteKinds, error) {
	d, err := discovery.NewDiscoveryClientForConfigAndClient(cl.GetConfig(), cl.GetHTTPClient())
	if err != nil {
		return nil, err
	}
	ours, err := labels.NewRequirement(opsv1alpha1.LabelOperation, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	// A cache for some kinds only would ask at once where they are served, and they may not be: so there are two whole ones.
	options := cache.Options{Scheme: cl.GetScheme(), HTTPClient: cl.GetHTTPClient(), Mapper: cl.GetRESTMapper(), ReaderFailOnMissingInformer: true}
	all, err := cache.New(cl.GetConfig(), options)
	if err != nil {
		return nil, err
	}
	options.DefaultLabelSelector = labels.NewSelector().Add(*ours)
	ofRuns, err := cache.New(cl.GetConfig(), options)
	if err != nil {
		return nil, err
	}
	s := &siteKinds{
		kinds: map[schema.GroupVersionKind]client.Object{}, scheme: cl.GetScheme(), discovery: d, all: all, ofRuns: ofRuns, every: every,
		informers: map[schema.GroupVersionKind]cache.Informer{}, listeners: map[int]listener{},
	}
	for _, obj := range kinds {
		gvk, err := apiutil.GVKForObject(obj, s.scheme)
		if err != nil {
			return nil, err
		}
		s.kinds[gvk] = obj
	}
	return s, nil
}

// cacheOf a kind. A cluster may run many Jobs; those of runs are few and carry the run's label. Flux's objects belong to instances and carry
// none.
func (s *siteKinds) cacheOf(gvk schema.GroupVersionKind) cache.Cache {
	if strings.HasSuffix(gvk.Group, fluxGroups) {
		return s.all
	}
	return s.ofRuns
}

// look starts informers for kinds that are served now and stops those of kinds that no longer are.
func (s *siteKinds) look(ctx context.Context) {
	changed := false
	byVersion := map[schema.GroupVersion]map[string]bool{}
	for gvk, obj := range s.kinds {
		gv := gvk.GroupVersion()
		if _, ok := byVersion[gv]; !ok {
			kinds, err := s.servedKinds(ctx, gv)
			s.tellSilence(ctx, err)
			if err != nil {
				log.FromContext(ctx).V(1).Info("cannot tell whether an engine is installed; asking again", "groupVersion", gv, "error", err.Error())
				continue
			}
			byVersion[gv] = kinds
		}
		c, err := s.follow(ctx, gvk, obj, byVersion[gv][gvk.Kind])
		if err != nil {
			log.FromContext(ctx).Error(err, "cannot watch", "kind", gvk)
		}
		changed = changed || c
	}
	if changed {
		s.notify(func(l listener) { l.served() })
	}
}

// answers tells whether the API server has answered of late: one answer that is lost, or late, is no silence.
func (s *siteKinds) answers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.answered) <= silentAfter*s.every
}

// tellSilence logs that the API server has fallen silent, or speaks again.
func (s *siteKinds) tellSilence(ctx context.Context, err error) {
	silent := !s.answers()
	if silent == s.silent {
		return
	}
	if s.silent = silent; silent {
		log.FromContext(ctx).Error(err, "the API server does not answer; what is to be done there waits")
	} else {
		log.FromContext(ctx).Info("the API server answers again")
	}
}

// follow makes an informer exist exactly while its kind is served, and tells whether that changed anything.
func (s *siteKinds) follow(ctx context.Context, gvk schema.GroupVersionKind, obj client.Object, served bool) (bool, error) {
	s.mu.Lock()
	_, watched := s.informers[gvk]
	s.mu.Unlock()
	if watched == served {
		return false, nil
	}
	if !served {
		s.mu.Lock()
		delete(s.informers, gvk)
		s.mu.Unlock()
		log.FromContext(ctx).Info("no longer served; watch stopped", "kind", gvk)
		return true, s.cacheOf(gvk).RemoveInformer(ctx, obj)
	}
	inf, err := s.cacheOf(gvk).GetInformer(ctx, obj, cache.BlockUntilSynced(false))
	if err != nil {
		return false, err
	}
	if _, err := inf.AddEventHandler(s.handler()); err != nil {
		return false, errors.Join(err, s.cacheOf(gvk).RemoveInformer(ctx, obj))
	}
	s.mu.Lock()
	s.informers[gvk] = inf
	s.mu.Unlock()
	log.FromContext(ctx).Info("served; watch started", "kind", gvk)
	return true, nil
}

func (s *siteKinds) handler() toolscache.ResourceEventHandler {
	tell := func(o any) {
		if t, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
			o = t.Obj
		}
		if obj, ok := o.(client.Object); ok {
			s.notify(func(l listener) { l.event(obj) })
		}
	}
	return toolscache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, o any) { tell(o) }, DeleteFunc: tell}
}

func (s *siteKinds) listen(ctx context.Context, l listener) {
	s.mu.Lock()
	id := s.next
	s.next++
	s.listeners[id] = l
	s.mu.Unlock()
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.listeners, id)
	})
}

func (s *siteKinds) notify(f func(listener)) {
	s.mu.Lock()
	ls := make([]listener, 0, len(s.listeners))
	for _, l := range s.listeners {
		ls = append(ls, l)
	}
	s.mu.Unlock()
	for _, l := range ls {
		f(l)
	}
}

// discoveryTimeout bounds one question: a proxy may keep a connection alive and never answer.
const discoveryTimeout = 30 * time.Second

func (s *siteKinds) servedKinds(ctx context.Context, gv schema.GroupVersion) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	list, err := s.discovery.ServerResourcesForGroupVersionWithContext(ctx, gv.String())
	switch {
	case apierrors.IsNotFound(err):
		list = &metav1.APIResourceList{}
	case err != nil:
		return nil, err
	}
	s.mu.Lock()
	s.answered = time.Now()
	s.mu.Unlock()
	kinds := map[string]bool{}
	for _, r := range list.APIResources {
		kinds[r.Kind] = true
	}
	return kinds, nil
}

// served tells whether the cluster serves obj's kind. A kind that is not watched yet is asked for at once.
func (s *siteKinds) served(ctx context.Context, obj client.Object) (bool, error) {
	gvk, err := apiutil.GVKForObject(obj, s.scheme)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	_, watched := s.informers[gvk]
	s.mu.Unlock()
	if watched {
		return true, nil
	}
	return s.discovered(ctx, gvk)
}

// servedNow is served without the time until the next look, in which a watched kind may be gone already: what begins on the word of it would be
// begun in vain. Kubernetes' own kinds are not asked for. They do not go, and theirs are the groups without a dot.
func (s *siteKinds) servedNow(ctx context.Context, obj client.Object) (bool, error) {
	gvk, err := apiutil.GVKForObject(obj, s.scheme)
	if err != nil {
		return false, err
	}
	if !strings.Contains(gvk.Group, ".") {
		return s.served(ctx, obj)
	}
	return s.discovered(ctx, gvk)
}

func (s *siteKinds) discovered(ctx context.Context, gvk schema.GroupVersionKind) (bool, error) {
	kinds, err := s.servedKinds(ctx, gvk.GroupVersion())
	if err != nil {
		return false, fmt.Errorf("ask whether %s is served: %w", gvk, err)
	}
	return kinds[gvk.Kind], nil
}

// cached is the cache when it holds obj's kind in full, else nil.
func (s *siteKinds) cached(obj client.Object) client.Reader {
	gvk, err := apiutil.GVKForObject(obj, s.scheme)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	inf, watched := s.informers[gvk]
	s.mu.Unlock()
	if !watched || !inf.HasSynced() {
		return nil
	}
	return s.cacheOf(gvk)
}

// missing tells whether an error of a cache says that it does not have the object, for whatever reason.
func missing(err error) bool {
	var uncached *cache.ErrResourceNotCached
	return apierrors.IsNotFound(err) || errors.As(err, &uncached)
}
