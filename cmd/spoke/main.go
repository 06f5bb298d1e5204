// SPDX-License-Identifier: Apache-2.0

// Command spoke is the agent of one cluster: it runs the cluster's Operations and keeps its ApplicationInstances.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
	"sigs.k8s.io/multicluster-runtime/providers/single"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/all"
	"vworkspace.io/fleet/spoke"
)

// version is stamped by the linker.
var version = "dev"

type flags struct {
	cluster        string
	agentNamespace string
	metrics        string
	probes         string
	leaderElect    bool
	zap            zap.Options
}

func main() {
	f, err := parse(flag.CommandLine, os.Args[1:])
	if errors.Is(err, errVersion) {
		fmt.Println(version)
		return
	}
	if err != nil {
		os.Exit(2) // package flag has said why
	}
	if os.Getenv("GOGC") == "" {
		// The agent's heap is a few MB: collecting twice as often as by default costs next to nothing and keeps it small.
		debug.SetGCPercent(50)
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&f.zap)))
	if err := run(ctrl.SetupSignalHandler(), f); err != nil {
		ctrl.Log.Error(err, "the agent stopped")
		os.Exit(1)
	}
}

var errVersion = errors.New("version was asked for")

func parse(set *flag.FlagSet, args []string) (flags, error) {
	var f flags
	show := set.Bool("version", false, "Print the version and exit.")
	set.StringVar(&f.cluster, "cluster", "", "Name of this cluster as a ManagedCluster of the hub; leave out on a cluster without a hub.")
	set.StringVar(&f.agentNamespace, "agent-namespace", opsv1alpha1.DefaultAgentNamespace,
		"The agent's own namespace. Operations in it, and only those, may select across namespaces.")
	set.StringVar(&f.metrics, "metrics-bind-address", "0", "Where to serve Prometheus metrics, such as 127.0.0.1:8080 or :8080; 0 for nowhere.")
	set.StringVar(&f.probes, "health-probe-bind-address", "0", "Where to serve /healthz and /readyz, such as :8081; 0 for nowhere.")
	set.BoolVar(&f.leaderElect, "leader-elect", false, "Let one of several replicas work at a time. Needed as soon as there are two.")
	f.zap.BindFlags(set)
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if *show {
		return f, errVersion
	}
	return f, nil
}

func run(ctx context.Context, f flags) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := spoke.AddToScheme(scheme); err != nil {
		return err
	}
	local, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  scheme,
		Cache:                   spoke.CacheOptions(),
		Metrics:                 metricsserver.Options{BindAddress: f.metrics},
		HealthProbeBindAddress:  f.probes,
		LeaderElection:          f.leaderElect,
		LeaderElectionID:        "vworkspace-agent",
		LeaderElectionNamespace: f.agentNamespace,
		// The process ends right after, so a successor need not wait for the lease to run out.
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return fmt.Errorf("make a manager: %w", err)
	}
	name := spoke.Unnamed
	if f.cluster != "" {
		name = multicluster.ClusterName(f.cluster)
	}
	mgr, err := mcmanager.WithMultiCluster(local, single.New(name, local))
	if err != nil {
		return fmt.Errorf("make a multicluster manager: %w", err)
	}
	if err := spoke.Setup(ctx, mgr, spoke.Options{Engines: all.Default(), AgentNamespace: f.agentNamespace}); err != nil {
		return err
	}
	for _, add := range []func(string, healthz.Checker) error{mgr.AddHealthzCheck, mgr.AddReadyzCheck} {
		if err := add("ping", healthz.Ping); err != nil {
			return fmt.Errorf("add a health check: %w", err)
		}
	}
	ctrl.Log.Info("starting the agent", "version", version, "cluster", f.cluster, "agentNamespace", f.agentNamespace)
	return mgr.Start(ctx)
}
