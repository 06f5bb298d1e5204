// SPDX-License-Identifier: Apache-2.0

// Command hub runs fleet Operations on an Open Cluster Management hub and delivers ApplicationInstances to managed clusters.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"vworkspace.io/fleet/admission"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/hub/odoo"
	"vworkspace.io/fleet/telemetry"
)

// version is stamped by `make build`.
var version = "dev"

const (
	// leaseName of the leader's Lease.
	leaseName = "vworkspace-hub"
	// admissionName of what the chart makes for admission.
	admissionName = "vworkspace-hub-admission"
)

func main() {
	f := parseFlags()
	if f.version {
		fmt.Println(version)
		return
	}
	log := telemetry.NewLogger(os.Stderr, f.verbose)
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	if err := run(ctrl.SetupSignalHandler(), f); err != nil {
		log.Error(err, "the hub stopped")
		os.Exit(1)
	}
}

// flags of the command line.
type flags struct {
	hub             hub.Options
	admission       admission.Options
	metrics, health string
	profiles        telemetry.Profiles
	leaderElect     bool
	leaderNamespace string
	qps             float64
	burst           int
	verbose         bool
	version         bool
}

func parseFlags() flags {
	f := flags{hub: hub.DefaultOptions(), profiles: "0"}
	flag.StringVar(&f.hub.AgentNamespace, "agent-namespace", opsv1alpha1.DefaultAgentNamespace, "namespace of the agent on every spoke; Operations are delivered there")
	flag.StringVar(&f.hub.PlatformNamespace, "platform-namespace", opsv1alpha1.DefaultPlatformNamespace, "namespace of the hub whose Operations may select across the namespaces of a spoke")
	flag.DurationVar(&f.hub.WorkRetention, "work-retention", f.hub.WorkRetention, "how long ManifestWorks stay after their Operation ended; results are kept with the Operation")
	flag.DurationVar(&f.hub.StatusInterval, "status-interval", f.hub.StatusInterval, "shortest time between two writes of one Operation's status")
	flag.IntVar(&f.hub.Workers, "dispatch-workers", f.hub.Workers, "how many ManifestWorks are written at once, by all Operations together")
	flag.Func("no-template", "what becomes of an Operation that no OperationTemplate allows: Block (default) waits for one, Reject ends it", f.hub.NoTemplate.Set)
	flag.BoolVar(&f.hub.DeliverCatalog, "deliver-catalog", f.hub.DeliverCatalog, "bring the OperationTemplates of the hub to every cluster that an agent runs on")
	flag.BoolVar(&f.leaderElect, "leader-elect", true, "run only while holding the Lease vworkspace-hub, so that a second replica waits; turn off for a single process that must start at once")
	flag.StringVar(&f.leaderNamespace, "leader-elect-namespace", opsv1alpha1.DefaultHubNamespace, "the hub's own namespace: of the Lease, of its certificate for admission, of the keys of approvals, and of the records of those that were used")
	flag.StringVar(&f.hub.ApprovalKeys, "approval-keys", opsv1alpha1.DefaultApprovalKeys, "Secret in the hub's own namespace with the keys by which approvals are verified")
	flag.BoolVar(&f.hub.Authorize, "authorize", f.hub.Authorize, "run only what the one who asks may run: see docs/concepts/admission.md; without it, whoever may create an Operation may have all that its namespace can reach")
	flag.BoolVar(&f.hub.Reports, "control-planes", false, "take jobs from ControlPlanes, and tell them and AuditSinks what happens: see docs/concepts/odoo.md; Operations stay until they have been told of")
	flag.StringVar(&f.admission.BindAddress, "admission-bind-address", "0", "address on which the API server asks before something is stored, such as :9443; 0 serves none")
	flag.StringVar(&f.admission.CertDir, "admission-cert-dir", "", "folder with tls.crt and tls.key for admission, which somebody else renews; without it they are made, and kept in the Secret "+admissionName)
	flag.StringVar(&f.metrics, "metrics-bind-address", "0", "address of the metrics endpoint, such as 127.0.0.1:8080; 0 serves none")
	flag.StringVar(&f.health, "health-probe-bind-address", "0", "address of /healthz and /readyz, such as :8081; 0 serves none")
	flag.Var(&f.profiles, "pprof-bind-address", "address of Go's profiles, on loopback, such as 127.0.0.1:6060; 0 serves none")
	flag.Float64Var(&f.qps, "kube-api-qps", 500, "requests per second to the API server, in the long run")
	flag.IntVar(&f.burst, "kube-api-burst", 1000, "requests to the API server at once")
	flag.BoolVar(&f.verbose, "verbose", false, "log more")
	flag.BoolVar(&f.version, "version", false, "print the version and exit")
	flag.Parse()
	f.admission.Name, f.admission.Namespace = admissionName, f.leaderNamespace
	f.admission.Templates = []admission.Rule{admission.ValidTemplate}
	f.admission.Operations = []admission.Rule{
		admission.SoundRollout, admission.SoundWindow, admission.SoundExpressions,
		(&admission.Follows{Required: f.hub.NoTemplate == hub.NoTemplateReject}).Rule,
		admission.SoundClaim(client.ObjectKey{Namespace: f.leaderNamespace, Name: f.hub.ApprovalKeys}, clock.RealClock{}),
	}
	return f
}

func run(ctx context.Context, f flags) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find a kubeconfig: %w", err)
	}
	config.QPS, config.Burst = float32(f.qps), f.burst
	config.UserAgent = "vworkspace-hub/" + version
	hub.Brief(config)

	asked, err := admission.New(f.admission)
	if err != nil {
		return err
	}
	options := hub.ManagerOptions()
	options.WebhookServer = asked.WebhookServer()
	options.Metrics = server.Options{BindAddress: f.metrics}
	options.HealthProbeBindAddress = f.health
	options.PprofBindAddress = f.profiles.String()
	options.LeaderElection = f.leaderElect
	options.LeaderElectionID = leaseName
	options.LeaderElectionNamespace = f.leaderNamespace
	options.LeaderElectionReleaseOnCancel = true // nothing runs after the manager has stopped
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return fmt.Errorf("make the manager: %w", err)
	}
	f.hub.Metrics = hub.NewMetrics()
	if err := metrics.Registry.Register(f.hub.Metrics); err != nil {
		return fmt.Errorf("register the metrics: %w", err)
	}
	f.hub.Namespace = f.leaderNamespace
	if err := hub.Setup(ctx, mgr, f.hub); err != nil {
		return fmt.Errorf("set up the controllers: %w", err)
	}
	if f.hub.Reports {
		if err := odoo.Setup(ctx, mgr, odoo.Options{Namespace: f.leaderNamespace}); err != nil {
			return fmt.Errorf("set up what serves control planes: %w", err)
		}
	}
	if err := asked.Setup(mgr); err != nil {
		return err
	}
	if err := telemetry.AddChecks(mgr, f.readiness()); err != nil {
		return err
	}
	ctrl.Log.Info("starting", "version", version)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

func (f flags) readiness() telemetry.Readiness {
	r := telemetry.Readiness{Kinds: hub.Kinds()}
	if f.hub.Reports {
		r.Kinds = append(r.Kinds, odoo.Kinds()...)
	}
	if f.leaderElect {
		r.Lease = types.NamespacedName{Namespace: f.leaderNamespace, Name: leaseName}
	}
	return r
}
