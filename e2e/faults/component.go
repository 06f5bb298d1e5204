// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/providers/clusters"
	"sigs.k8s.io/multicluster-runtime/providers/single"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/hub/odoo"
	"vworkspace.io/fleet/spoke"
	"vworkspace.io/fleet/spoke/hosted"
)

// Component is a process of ours, run here as its main runs it.
type Component struct {
	Name string
	// On is the API server that it speaks to.
	On API
	// api is how to reach it, as who the component is there.
	api func(*Lab) *rest.Config
	// run it until ctx ends; all that it says goes over its wire. It calls ready when it has seen all that there is.
	run func(ctx context.Context, w *World, api *rest.Config, wire *Wire, log logr.Logger, ready func()) error
}

// Hub is the hub's controller, and Agent the spoke's.
var (
	Hub   = Component{"hub", OnHub, func(l *Lab) *rest.Config { return l.asHub }, runHub}
	Agent = Component{"agent", OnSpoke, func(l *Lab) *rest.Config { return l.asAgent }, runAgent}
)

// Components are all that a World runs.
var Components = []Component{Hub, Agent}

func runHub(ctx context.Context, w *World, api *rest.Config, wire *Wire, log logr.Logger, ready func()) error {
	options := hub.ManagerOptions()
	inProcess(&options, log)
	hub.Brief(api)
	mgr, err := ctrl.NewManager(api, options)
	if err != nil {
		return err
	}
	if err := hub.Setup(ctx, mgr, w.story.hubOptions(w)); err != nil {
		return err
	}
	if w.Odoo != nil {
		if err := odoo.Setup(ctx, mgr, odoo.Options{Clock: w.Clock, Wrap: wire.Wrap}); err != nil {
			return err
		}
	}
	return start(ctx, mgr.GetCache().WaitForCacheSync, mgr, ready)
}

func runAgent(ctx context.Context, w *World, api *rest.Config, _ *Wire, log logr.Logger, ready func()) error {
	scheme := runtime.NewScheme()
	if err := spoke.AddToScheme(scheme); err != nil {
		return err
	}
	options := manager.Options{Scheme: scheme, Cache: spoke.CacheOptions()}
	inProcess(&options, log)
	local, err := ctrl.NewManager(api, options)
	if err != nil {
		return err
	}
	mgr, err := mcmanager.WithMultiCluster(local, single.New(near, local))
	if err != nil {
		return err
	}
	if err := spoke.Setup(ctx, mgr, w.agentOptions()); err != nil {
		return err
	}
	return start(ctx, local.GetCache().WaitForCacheSync, mgr, ready)
}

// runHosted runs the agent as `spoke --hosted` does, for the one cluster that there is: nothing waits for its API server.
func runHosted(ctx context.Context, w *World, api *rest.Config, _ *Wire, log logr.Logger, ready func()) error {
	scheme := runtime.NewScheme()
	if err := spoke.AddToScheme(scheme); err != nil {
		return err
	}
	options := manager.Options{Scheme: scheme}
	inProcess(&options, log)
	local, err := ctrl.NewManager(api, options) // of the cluster where the Secrets would be; nothing is read from it
	if err != nil {
		return err
	}
	cl, err := cluster.New(api, hosted.Cluster(scheme))
	if err != nil {
		return err
	}
	provider := clusters.New()
	mgr, err := mcmanager.WithMultiCluster(local, provider)
	if err != nil {
		return err
	}
	agent := w.agentOptions()
	agent.Workers = hosted.Workers
	if err := spoke.Setup(ctx, mgr, agent); err != nil {
		return err
	}
	if err := provider.Add(ctx, near, cl); err != nil {
		return err
	}
	return start(ctx, func(ctx context.Context) bool { return filled(ctx, cl.GetCache()) }, mgr, ready)
}

func (w *World) agentOptions() spoke.Options {
	return spoke.Options{Engines: w.story.registry(), Clock: w.Clock, ClaimsDelay: 20 * time.Millisecond, ClaimsInterval: 2 * time.Second}
}

// filled waits until a hosted cluster's cache, which itself lets nobody wait, holds all that there is.
func filled(ctx context.Context, c cache.Cache) bool {
	for _, obj := range []client.Object{&opsv1alpha1.Operation{}, &appsv1alpha1.ApplicationInstance{}, &corev1.Namespace{}} {
		informer, err := c.GetInformer(ctx, obj)
		if err != nil || !toolscache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			return false
		}
	}
	return true
}

// inProcess makes a manager one of many in this process.
func inProcess(o *manager.Options, log logr.Logger) {
	o.Metrics = metricsserver.Options{BindAddress: "0"}
	// A panic in a reconciler is a bug that must not be survived here.
	o.Controller = config.Controller{SkipNameValidation: ptr.To(true), RecoverPanic: ptr.To(false)}
	o.Logger = log
}

// start runs a manager until ctx ends. One that is killed before it has seen what there is is left to itself, behind a wire that is cut: Start does not
// return then but spins, because it waits for caches that can never be filled (controller-runtime v0.24.1, runnableGroup.Start).
func start(ctx context.Context, seen func(context.Context) bool, mgr interface{ Start(context.Context) error }, ready func()) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	go func() { <-over; stop() }()
	all, ended := make(chan bool, 1), make(chan error, 1)
	go func() { all <- seen(ctx) }()
	go func() { ended <- mgr.Start(running) }()
	select {
	case err := <-ended:
		close(over)
		return err
	case sees := <-all:
		if !sees {
			return context.Cause(ctx)
		}
	}
	ready()
	select {
	case err := <-ended:
		close(over)
		return err
	case <-ctx.Done():
		close(over)
		return <-ended
	}
}
