// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	mcbuilder "sigs.k8s.io/multicluster-runtime/pkg/builder"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/executors"
	"vworkspace.io/fleet/telemetry"
)

const (
	// share is how many requests of one cluster a controller works on at once. A visit waits for the API server most of the time.
	share = 8
	// defaultDiscovery is how often it is asked which engines are installed.
	defaultDiscovery = 10 * time.Second
)

// Options of the agent.
type Options struct {
	// Engines that the agent can run. Required.
	Engines *engines.Registry
	// AgentNamespace is where Operations may select across namespaces; DefaultAgentNamespace when empty.
	AgentNamespace string
	// ApprovalKeys is the Secret there with the keys by which approvals are verified; DefaultApprovalKeys when empty.
	ApprovalKeys string
	// Clock is the real one when nil.
	Clock clock.PassiveClock
	// Discovery is how often each cluster is asked which engines are installed; 10 s when 0.
	Discovery time.Duration
	// Workers of each controller, for all clusters together: 8 for each cluster that may be slow at the same time. 8 when 0, which is right
	// for a single one.
	Workers int
	// ClaimsDelay is for how long changes are gathered before ClusterClaims say so; 1 s when 0.
	ClaimsDelay time.Duration
	// ClaimsInterval is how often ClusterClaims are put right that somebody else changed; 10 min when 0.
	ClaimsInterval time.Duration
	// NewClient makes the clients by which runs write, as the accounts of their profiles; client.New when nil.
	NewClient NewClientFunc
	// Metrics are what the agent counts. Register them where they are to be exported; by default nobody sees them.
	Metrics *Metrics
}

// AddToScheme adds every kind that the agent reads or writes by type.
func AddToScheme(scheme *runtime.Scheme) error {
	for _, add := range []func(*runtime.Scheme) error{
		executors.AddToScheme, appsv1alpha1.AddToScheme, opsv1alpha1.AddToScheme, clusterv1alpha1.Install,
	} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("register types: %w", err)
		}
	}
	return nil
}

// CacheOptions keep a cluster's cache small: of a namespace only its labels count, and nobody here reads who wrote an Operation's fields.
func CacheOptions() cache.Options {
	return cache.Options{ByObject: map[client.Object]cache.ByObject{
		&corev1.Namespace{}: {Transform: func(o any) (any, error) {
			if ns, ok := o.(*corev1.Namespace); ok {
				ns.ManagedFields, ns.Annotations, ns.Spec, ns.Status = nil, nil, corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
			}
			return o, nil
		}},
		&opsv1alpha1.Operation{}:         {Transform: cache.TransformStripManagedFields()},
		&opsv1alpha1.OperationTemplate{}: {Transform: cache.TransformStripManagedFields()},
	}}
}

// Kinds that the API server must serve for the agent to work. Those of engines may come and go.
func Kinds() []client.Object {
	return []client.Object{
		&opsv1alpha1.Operation{}, &opsv1alpha1.OperationTemplate{}, &opsv1alpha1.AgentPolicy{}, &opsv1alpha1.Freeze{}, &appsv1alpha1.ApplicationInstance{},
	}
}

// Setup adds the agent's controllers to a manager, for every cluster that its provider engages. The clusters need a scheme with AddToScheme.
func Setup(ctx context.Context, mgr mcmanager.Manager, o Options) error {
	o = o.complete()
	if errPodSecurity != nil {
		return fmt.Errorf("judge pods: %w", errPodSecurity)
	}
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	kinds, err := watchedKinds(mgr.GetLocalManager().GetScheme(), o.Engines)
	if err != nil {
		return err
	}
	late := newLateKinds(o.Discovery, kinds...)
	s := newSites(late, o)
	// Before the controllers: their sources need it engaged.
	if err := mgr.Add(s); err != nil {
		return fmt.Errorf("add the clusters: %w", err)
	}
	if err := o.Metrics.follow(mgr.GetLocalManager(), late); err != nil {
		return fmt.Errorf("set up the metrics: %w", err)
	}
	if err := setupOperations(mgr, s, late, o); err != nil {
		return fmt.Errorf("set up Operations: %w", err)
	}
	if err := setupInstances(mgr, s, late, o); err != nil {
		return fmt.Errorf("set up ApplicationInstances: %w", err)
	}
	if err := setupClaims(mgr, s, late, o); err != nil {
		return fmt.Errorf("set up ClusterClaims: %w", err)
	}
	return nil
}

// complete fills in the defaults.
func (o Options) complete() Options {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.AgentNamespace == "" {
		o.AgentNamespace = opsv1alpha1.DefaultAgentNamespace
	}
	if o.ApprovalKeys == "" {
		o.ApprovalKeys = opsv1alpha1.DefaultApprovalKeys
	}
	if o.Discovery == 0 {
		o.Discovery = defaultDiscovery
	}
	if o.Workers == 0 {
		o.Workers = share
	}
	if o.NewClient == nil {
		o.NewClient = client.New
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	return o
}

// watchedKinds are those of the engines and those that instances are made into, each once.
func watchedKinds(scheme *runtime.Scheme, registry *engines.Registry) ([]client.Object, error) {
	var all []client.Object
	for _, obj := range fluxKinds() {
		all = append(all, obj)
	}
	for _, name := range registry.Names() {
		engine, err := registry.Get(name)
		if err != nil {
			return nil, err
		}
		all = append(all, engine.Kinds()...)
	}
	seen := map[string]bool{}
	var kinds []client.Object
	for _, obj := range all {
		gvk, err := apiutil.GVKForObject(obj, scheme)
		if err != nil {
			return nil, fmt.Errorf("register the types of the engines: %w", err)
		}
		if !seen[gvk.String()] {
			seen[gvk.String()] = true
			kinds = append(kinds, obj)
		}
	}
	return kinds, nil
}

// options of a controller: the manager's own, log lines that say by a key, if there is one, which object they are about, and of which cluster, and
// workers, of which one cluster has share at most.
func options(mgr mcmanager.Manager, name, key string, workers, share int) controller.TypedOptions[mcreconcile.Request] {
	log := mgr.GetLogger().WithValues("controller", name)
	o := controller.TypedOptions[mcreconcile.Request]{
		MaxConcurrentReconciles: workers,
		LogConstructor: func(r *mcreconcile.Request) logr.Logger {
			if r == nil {
				return log
			}
			log := log.WithValues(telemetry.KeyCluster, r.ClusterName)
			if key == "" {
				return log
			}
			return log.WithValues(key, r.NamespacedName.String())
		},
	}
	if workers > share {
		o.NewQueue = func(name string, limiter workqueue.TypedRateLimiter[mcreconcile.Request]) workqueue.TypedRateLimitingInterface[mcreconcile.Request] {
			return newFairQueue(workqueue.NewTypedRateLimitingQueueWithConfig(limiter,
				workqueue.TypedRateLimitingQueueConfig[mcreconcile.Request]{Name: name}), share)
		}
	}
	o.DefaultFromConfig(mgr.GetLocalManager().GetControllerOptions())
	return o
}

func setupOperations(mgr mcmanager.Manager, s *sites, late *lateKinds, o Options) error {
	r := &operationReconciler{
		sites: s, registry: o.Engines, clock: o.Clock, agentNamespace: o.AgentNamespace, approvalKeys: o.ApprovalKeys,
		locks: newTargetLocks(), book: &catalog.Book{},
	}
	c, err := mcbuilder.ControllerManagedBy(mgr).Named("operation").
		For(&opsv1alpha1.Operation{}).
		Watches(&opsv1alpha1.Operation{}, enqueue(operationsOfOperation)).
		Watches(&appsv1alpha1.ApplicationInstance{}, enqueue(operationsOfInstance)).
		Watches(&corev1.Namespace{}, enqueue(operationsOfNamespace)).
		Watches(&opsv1alpha1.OperationTemplate{}, enqueue(operationsThatWait)).
		Watches(&opsv1alpha1.AgentPolicy{}, enqueue(operationsThatWait)).
		Watches(&opsv1alpha1.Freeze{}, enqueue(operationsThatWait)).
		WithOptions(options(mgr, "operation", telemetry.KeyOperation, o.Workers, share)).
		Build(arrival{s, r})
	if err != nil {
		return err
	}
	return c.MultiClusterWatch(late.source(operationsOfEngineObject(mgr.GetLocalManager().GetScheme()), unstarted))
}

func setupInstances(mgr mcmanager.Manager, s *sites, late *lateKinds, o Options) error {
	r := &instanceReconciler{sites: s, clock: o.Clock}
	c, err := mcbuilder.ControllerManagedBy(mgr).Named("applicationinstance").
		For(&appsv1alpha1.ApplicationInstance{}).
		Watches(&corev1.Namespace{}, enqueue(func(ctx context.Context, c client.Client, ns client.Object) []client.ObjectKey {
			return instanceKeys(ctx, c, client.InNamespace(ns.GetName()))
		})).
		WithOptions(options(mgr, "applicationinstance", telemetry.KeyInstance, o.Workers, share)).
		Build(arrival{s, r})
	if err != nil {
		return err
	}
	return c.MultiClusterWatch(late.source(instancesOfFluxObject, func(ctx context.Context, c client.Client) []client.ObjectKey {
		return instanceKeys(ctx, c)
	}))
}

func setupClaims(mgr mcmanager.Manager, s *sites, late *lateKinds, o Options) error {
	changed := claimsHandler(cmp.Or(o.ClaimsDelay, defaultClaimsDelay))
	c, err := mcbuilder.ControllerManagedBy(mgr).Named("clusterclaim").
		Watches(&appsv1alpha1.ApplicationInstance{}, changed).
		Watches(&corev1.Namespace{}, changed).
		WithOptions(options(mgr, "clusterclaim", "", max(1, o.Workers/share), 1)).
		Build(arrival{s, &claimsReconciler{sites: s, registry: o.Engines, interval: cmp.Or(o.ClaimsInterval, defaultClaimsInterval)}})
	if err != nil {
		return err
	}
	nobody := func(context.Context, client.Client, client.Object) []client.ObjectKey { return nil }
	return c.MultiClusterWatch(late.source(nobody, func(context.Context, client.Client) []client.ObjectKey {
		return []client.ObjectKey{claimsRequest}
	}))
}
