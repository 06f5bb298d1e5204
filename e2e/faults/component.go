// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/providers/single"

	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/spoke"
)

// Component is a process of ours, run here as its main runs it.
type Component struct {
	Name string
	// On is the API server that it speaks to.
	On API
	// api is how to reach it, as who the component is there.
	api func(*Lab) *rest.Config
	// run it until ctx ends. It calls ready when it has seen all that there is.
	run func(ctx context.Context, w *World, api *rest.Config, log logr.Logger, ready func()) error
}

// Hub is the hub's controller, and Agent the spoke's.
var (
	Hub   = Component{"hub", OnHub, func(l *Lab) *rest.Config { return install.AsHub(l.HubConfig) }, runHub}
	Agent = Component{"agent", OnSpoke, func(l *Lab) *rest.Config { return install.AsAgent(l.SpokeConfig) }, runAgent}
)

// Components are all that a World runs.
var Components = []Component{Hub, Agent}

func runHub(ctx context.Context, w *World, api *rest.Config, log logr.Logger, ready func()) error {
	options := hub.ManagerOptions()
	inProcess(&options, log)
	mgr, err := ctrl.NewManager(api, options)
	if err != nil {
		return err
	}
	if err := hub.Setup(ctx, mgr, w.story.hubOptions(w)); err != nil {
		return err
	}
	return start(ctx, mgr, mgr, ready)
}

func runAgent(ctx context.Context, w *World, api *rest.Config, log logr.Logger, ready func()) error {
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
	if err := spoke.Setup(ctx, mgr, spoke.Options{Engines: w.story.registry(), Clock: w.Clock, ClaimsDelay: 20 * time.Millisecond}); err != nil {
		return err
	}
	return start(ctx, local, mgr, ready)
}

// inProcess makes a manager one of many in this process.
func inProcess(o *manager.Options, log logr.Logger) {
	o.Metrics = metricsserver.Options{BindAddress: "0"}
	// A panic in a reconciler is a bug that must not be survived here.
	o.Controller = config.Controller{SkipNameValidation: ptr.To(true), RecoverPanic: ptr.To(false)}
	o.Logger = log
}

func start(ctx context.Context, local manager.Manager, mgr interface{ Start(context.Context) error }, ready func()) error {
	go func() {
		if local.GetCache().WaitForCacheSync(ctx) {
			ready()
		}
	}()
	return mgr.Start(ctx)
}
