// SPDX-License-Identifier: Apache-2.0

// Command spoke is the agent of a cluster: it runs the cluster's Operations and keeps its ApplicationInstances. With --hosted it is the agent of
// every cluster whose kubeconfig is in a Secret of one namespace.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
	"sigs.k8s.io/multicluster-runtime/providers/single"

	"vworkspace.io/fleet/admission"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/all"
	"vworkspace.io/fleet/spoke"
	"vworkspace.io/fleet/spoke/hosted"
	"vworkspace.io/fleet/telemetry"
)

// version is stamped by the linker.
var version = "dev"

const (
	// leaseName of the leader's Lease.
	leaseName = "vworkspace-agent"
	// admissionName of what the chart makes for admission.
	admissionName = "vworkspace-agent-admission"
)

type flags struct {
	cluster        string
	hosted         bool
	source         hosted.Source
	agentNamespace string
	approvalKeys   string
	admission      admission.Options
	metrics        string
	probes         string
	leaderElect    bool
	verbose        bool
}

func main() {
	f, err := parse(flag.CommandLine, os.Args[1:])
	if errors.Is(err, errVersion) {
		fmt.Println(version)
		return
	}
	if err != nil {
		os.Exit(2) // parse has said why
	}
	if os.Getenv("GOGC") == "" {
		// The agent's heap is a few MB: collecting twice as often as by default costs next to nothing and keeps it small.
		debug.SetGCPercent(50)
	}
	log := telemetry.NewLogger(os.Stderr, f.verbose)
	ctrl.SetLogger(log)
	klog.SetLogger(log)
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
	set.BoolVar(&f.hosted, "hosted", false, "Be the agent of every cluster whose kubeconfig is in a Secret, named after the cluster, of --hosted-namespace.")
	set.StringVar(&f.source.Namespace, "hosted-namespace", "", "With --hosted: the namespace of the Secrets, and of the Leases. (default "+hosted.DefaultNamespace+")")
	set.StringVar(&f.source.Label, "hosted-label", "", "With --hosted: the label that the Secrets carry, with the value true. (default "+hosted.DefaultLabel+")")
	set.StringVar(&f.source.Replica, "hosted-replica", "", "With --hosted: the name of this replica, unlike those of the others. (default the host's name, which is the pod's)")
	set.StringVar(&f.agentNamespace, "agent-namespace", opsv1alpha1.DefaultAgentNamespace,
		"The agent's own namespace. Operations in it, and only those, may select across namespaces.")
	set.StringVar(&f.approvalKeys, "approval-keys", opsv1alpha1.DefaultApprovalKeys,
		"Secret in the agent's own namespace with the keys by which approvals are verified.")
	set.StringVar(&f.admission.BindAddress, "admission-bind-address", "0",
		"Where the API server asks before something is stored, such as :9443; 0 for nowhere.")
	set.StringVar(&f.admission.CertDir, "admission-cert-dir", "",
		"Folder with tls.crt and tls.key for admission, which somebody else renews; without it they are made, and kept in the Secret "+admissionName+".")
	set.StringVar(&f.metrics, "metrics-bind-address", "0", "Where to serve Prometheus metrics, such as 127.0.0.1:8080 or :8080; 0 for nowhere.")
	set.StringVar(&f.probes, "health-probe-bind-address", "0", "Where to serve /healthz and /readyz, such as :8081; 0 for nowhere.")
	set.BoolVar(&f.leaderElect, "leader-elect", false, "Let one of several replicas work at a time. Needed as soon as there are two. Replicas of --hosted share the clusters without it.")
	set.BoolVar(&f.verbose, "verbose", false, "Log more.")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if *show {
		return f, errVersion
	}
	if err := f.complete(); err != nil {
		fmt.Fprintln(set.Output(), err)
		return f, err
	}
	return f, nil
}

// complete checks what the flags say together, and fills in defaults.
func (f *flags) complete() error {
	if f.hosted {
		return f.completeHosted()
	}
	for name, set := range map[string]bool{
		"namespace": f.source.Namespace != "", "label": f.source.Label != "", "replica": f.source.Replica != "",
	} {
		if set {
			return fmt.Errorf("--hosted-%s: only --hosted reads Secrets: add --hosted, or leave it out", name)
		}
	}
	f.admission.Name, f.admission.Namespace = admissionName, f.agentNamespace
	f.admission.Instances = []admission.Rule{admission.OfCluster(f.cluster)}
	f.admission.Templates = []admission.Rule{admission.ValidTemplate}
	f.admission.Operations = []admission.Rule{
		admission.SoundWindow, admission.NoExpressions,
		(&admission.Follows{AgentNamespace: f.agentNamespace}).Rule,
		admission.SoundClaim(client.ObjectKey{Namespace: f.agentNamespace, Name: f.approvalKeys}, clock.RealClock{}),
	}
	return nil
}

// completeHosted is the same with --hosted.
func (f *flags) completeHosted() error {
	switch {
	case f.leaderElect:
		return errors.New("--leader-elect: replicas of --hosted share the clusters, and each cluster has a Lease: leave it out")
	case f.cluster != "":
		return errors.New("--cluster: with --hosted a cluster has the name of its Secret: leave out one of the two")
	case f.admission.BindAddress != "0":
		return errors.New("--admission-bind-address: API servers of hosted clusters do not reach this process: leave it out")
	}
	f.source.Namespace = cmp.Or(f.source.Namespace, hosted.DefaultNamespace)
	f.source.Label = cmp.Or(f.source.Label, hosted.DefaultLabel)
	if f.source.Replica == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("--hosted-replica: the host's name is not known, give one: %w", err)
		}
		f.source.Replica = strings.ToLower(host)
	}
	if err := f.source.Validate(); err != nil {
		return fmt.Errorf("--%w", err)
	}
	return nil
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
	asked, err := admission.New(f.admission)
	if err != nil {
		return err
	}
	managed := managerOptions(f, scheme)
	managed.WebhookServer = asked.WebhookServer()
	local, err := ctrl.NewManager(config, managed)
	if err != nil {
		return fmt.Errorf("make a manager: %w", err)
	}
	options := spoke.Options{Engines: all.Default(), AgentNamespace: f.agentNamespace, ApprovalKeys: f.approvalKeys, Metrics: spoke.NewMetrics()}
	var mgr mcmanager.Manager
	if f.hosted {
		options.Workers = hosted.Workers
		mgr, err = f.source.NewManager(local, scheme)
	} else {
		name := cmp.Or(multicluster.ClusterName(f.cluster), spoke.Unnamed)
		mgr, err = mcmanager.WithMultiCluster(local, single.New(name, local))
	}
	if err != nil {
		return fmt.Errorf("make a multicluster manager: %w", err)
	}
	if err := metrics.Registry.Register(options.Metrics); err != nil {
		return fmt.Errorf("register the metrics: %w", err)
	}
	if err := spoke.Setup(ctx, mgr, options); err != nil {
		return err
	}
	if err := asked.Setup(local); err != nil {
		return err
	}
	if err := telemetry.AddChecks(local, f.readiness()); err != nil {
		return err
	}
	if f.hosted {
		ctrl.Log.Info("starting the hosted agents", "version", version, "replica", f.source.Replica, "secretsIn", f.source.Namespace, "label", f.source.Label, "agentNamespace", f.agentNamespace)
	} else {
		ctrl.Log.Info("starting the agent", "version", version, "cluster", f.cluster, "agentNamespace", f.agentNamespace)
	}
	return mgr.Start(ctx)
}

// managerOptions are those of the cluster that the process speaks to by its own credentials: its own, or the one where the Secrets are.
func managerOptions(f flags, scheme *runtime.Scheme) ctrl.Options {
	options := ctrl.Options{
		Scheme:                  scheme,
		Cache:                   spoke.CacheOptions(),
		Metrics:                 metricsserver.Options{BindAddress: f.metrics},
		HealthProbeBindAddress:  f.probes,
		LeaderElection:          f.leaderElect,
		LeaderElectionID:        leaseName,
		LeaderElectionNamespace: f.agentNamespace,
		// The process ends right after, so a successor need not wait for the lease to run out.
		LeaderElectionReleaseOnCancel: true,
	}
	if f.hosted {
		f.source.Manage(&options)
	}
	return options
}

// readiness of the cluster that the process speaks to by its own credentials. Hosted clusters come and go: whether they answer is counted and logged,
// and does not make a process unready that serves others. Nor need the cluster where their Secrets are serve our kinds.
func (f flags) readiness() telemetry.Readiness {
	if f.hosted {
		return telemetry.Readiness{}
	}
	r := telemetry.Readiness{Kinds: spoke.Kinds()}
	if f.leaderElect {
		r.Lease = types.NamespacedName{Namespace: f.agentNamespace, Name: leaseName}
	}
	return r
}
