// SPDX-License-Identifier: Apache-2.0

package hosted_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
	"sigs.k8s.io/multicluster-runtime/providers/clusters"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/job"
	"vworkspace.io/fleet/spoke"
	"vworkspace.io/fleet/spoke/hosted"
	"vworkspace.io/fleet/telemetry"
)

// patience bounds every wait; a wait ends as soon as what it waits for is there.
const patience = 2 * time.Minute

// often is how often API servers are asked, so that nobody waits.
const often = time.Second

// fleet is API servers without controllers: the hub's holds the Secrets, and there is one spoke.
var fleet *testbed.Fleet

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	ctx := context.Background()
	var err error
	if fleet, err = testbed.Up(ctx, testbed.Options{Bare: true, Clusters: 1, Engines: []string{}, Progress: os.Stderr}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = fleet.Down() }()
	if err := errors.Join(install.OnHosting(ctx, fleet.Hub.Config()), install.OnSpokeAlone(ctx, fleet.Spokes[0].Config())); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// agents are a process that runs.
type agents struct {
	mcmanager.Manager
	// readyz is its URL, and metrics are what it counts.
	readyz  string
	metrics *spoke.Metrics
}

// ready fails the test when the process is not ready.
func (a agents) ready(t *testing.T) {
	t.Helper()
	eventually(t, "the process to be ready", func() bool {
		res, err := http.Get(a.readyz)
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
}

// counts waits until so many clusters answer, and so many do not.
func (a agents) counts(t *testing.T, available, away int) {
	t.Helper()
	const name = "vworkspace_agent_clusters"
	want := fmt.Sprintf("# HELP %s Clusters that this process is the agent of, by whether their API servers answer.\n# TYPE %s gauge\n"+
		"%s{available=\"false\"} %d\n%s{available=\"true\"} %d\n", name, name, name, away, name, available)
	eventually(t, want, func() bool { return testutil.CollectAndCompare(a.metrics, strings.NewReader(want), name) == nil })
}

// run starts the agents and stops them with the test. multiple gives the multicluster manager of a local one.
func run(t *testing.T, local *rest.Config, workers int, multiple func(manager.Manager, *k8sruntime.Scheme) (mcmanager.Manager, error)) agents {
	t.Helper()
	scheme := newScheme(t)
	probes, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := agents{readyz: "http://" + probes.Addr().String() + "/readyz", metrics: spoke.NewMetrics()}
	if err := probes.Close(); err != nil {
		t.Fatal(err)
	}
	options := manager.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: probes.Addr().String(),
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	}
	hosted.Source{Namespace: hosted.DefaultNamespace, Label: hosted.DefaultLabel}.Manage(&options)
	mgr, err := ctrl.NewManager(local, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	if a.Manager, err = multiple(mgr, scheme); err != nil {
		t.Fatal(err)
	}
	o := spoke.Options{Engines: engines.NewRegistry(job.New()), Workers: workers, Metrics: a.metrics, Discovery: often}
	if err := spoke.Setup(ctx, a, o); err != nil {
		t.Fatal(err)
	}
	if err := telemetry.AddChecks(mgr, telemetry.Readiness{Every: often}); err != nil {
		t.Fatal(err)
	}
	stopped := ended(func() error { return a.Start(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	return a
}

func ended(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

func newScheme(t *testing.T) *k8sruntime.Scheme {
	t.Helper()
	scheme := k8sruntime.NewScheme()
	if err := spoke.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

// served waits until the spoke's agent has done something: it calls a new instance Ready.
func served(t *testing.T, name string) {
	t.Helper()
	c := connect(t, fleet.Spokes[0].Config())
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-", Labels: map[string]string{appsv1alpha1.LabelNamespaceGate: appsv1alpha1.NamespaceGated}}}
	if err := c.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	ai := &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: name},
		Spec:       appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "shop"}},
	}
	if err := c.Create(t.Context(), ai); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the spoke to be served", func() bool {
		return c.Get(t.Context(), client.ObjectKeyFromObject(ai), ai) == nil && ai.Status.Ready == metav1.ConditionTrue
	})
}

func connect(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{Scheme: newScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(context.Context) (bool, error) { return ok(), nil })
	if err != nil {
		t.Fatalf("wait for %s: %v", what, err)
	}
}

// asHosted is who the process is where the Secrets are.
func asHosted() *rest.Config {
	config := fleet.Hub.Config()
	config.Impersonate.UserName = "system:serviceaccount:" + hosted.DefaultNamespace + ":" + install.HostedAccount
	return config
}

// TestClustersComeAndGo hands a cluster over, gives it other credentials and takes it away, time and again, and looks for what is left behind.
func TestClustersComeAndGo(t *testing.T) {
	source := hosted.Source{Namespace: hosted.DefaultNamespace, Label: hosted.DefaultLabel, Replica: "one"}
	mgr := run(t, asHosted(), hosted.Workers, source.NewManager)
	hub, c := connect(t, fleet.Hub.Config()), fleet.Spokes[0]
	key := multicluster.ClusterName(c.Name)
	gone := func() bool {
		_, err := mgr.GetCluster(t.Context(), key)
		return errors.Is(err, multicluster.ErrClusterNotFound)
	}
	turn := func(n int) {
		secret, err := install.HostedSecret(t.Context(), c.Name, c.Config(), c.Config().Host)
		if err != nil {
			t.Fatal(err)
		}
		if err := hub.Create(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		served(t, fmt.Sprintf("first-%d", n))
		first, err := mgr.GetCluster(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		again, err := install.HostedSecret(t.Context(), c.Name, c.Config(), c.Config().Host)
		if err != nil {
			t.Fatal(err)
		}
		secret.Data = again.Data
		if err := hub.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the new credentials to be used", func() bool {
			now, err := mgr.GetCluster(t.Context(), key)
			return err == nil && now != first
		})
		served(t, fmt.Sprintf("second-%d", n))
		if n%2 == 0 {
			if err := hub.Delete(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the cluster to leave with its Secret", gone)
			return
		}
		unlabelled := secret.DeepCopy()
		unlabelled.Labels = nil
		if err := hub.Patch(t.Context(), unlabelled, client.MergeFrom(secret)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the cluster to leave with the label", gone)
		if err := hub.Delete(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	mgr.ready(t)
	mgr.counts(t, 0, 0)
	turn(0) // what is made once and kept
	mgr.counts(t, 0, 0)
	before, watches := settled(t), watching(t)
	const turns = 5
	for n := range turns {
		turn(n + 1)
	}
	after := settled(t)
	each := float64(after-before) / (2 * turns)
	t.Logf("%d goroutines before, %d after %d engagements: %.1f each", before, after, 2*turns, each)
	// Those that multicluster-runtime leaves behind, one for each of our 14 sources, end with the process.
	if each > 15 {
		t.Errorf("each engagement leaves %.1f goroutines behind\n%s", each, goroutines(t))
	}
	if now := watching(t); now > watches {
		t.Errorf("%d watches, and %d before\n%s", now, watches, goroutines(t))
	}
}

// settled is the number of goroutines once it has stopped to fall.
func settled(t *testing.T) int {
	t.Helper()
	last, same := runtime.NumGoroutine(), 0
	eventually(t, "goroutines to end", func() bool {
		now := runtime.NumGoroutine()
		if same++; now != last {
			last, same = now, 0
		}
		return same == 60 // 3 s
	})
	return last
}

func goroutines(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 2); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// watching counts the goroutines that watch something at an API server.
func watching(t *testing.T) int {
	t.Helper()
	n := 0
	for _, stack := range strings.Split(goroutines(t), "\n\n") {
		if strings.Contains(stack, "cache.(*Reflector).") {
			n++
		}
	}
	if n == 0 {
		t.Fatal("nothing watches the Secrets, or client-go calls it otherwise now")
	}
	return n
}

// TestOneIsAway: a cluster that swallows requests, one that refuses them and one whose agent may do nothing are engaged, and the one that works is served.
func TestOneIsAway(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	refusing := fleet.Spokes[0].Config()
	refusing.Host = "https://127.0.0.1:1"
	silent := fleet.Spokes[0].Config()
	silent.Host = "https://" + listener.Addr().String()
	nobody := fleet.Spokes[0].Config()
	nobody.Impersonate.UserName = "nobody"
	answering, err := install.AsAgent(t.Context(), fleet.Spokes[0].Config())
	if err != nil {
		t.Fatal(err)
	}
	provider := clusters.New()
	mgr := run(t, fleet.Hub.Config(), hosted.Workers, func(local manager.Manager, _ *k8sruntime.Scheme) (mcmanager.Manager, error) {
		return mcmanager.WithMultiCluster(local, provider)
	})
	for _, c := range []struct {
		name   multicluster.ClusterName
		config *rest.Config
	}{{"silent", silent}, {"refusing", refusing}, {"nobody", nobody}, {"spoke1", answering}} {
		cl, err := cluster.New(c.config, hosted.Cluster(newScheme(t)))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := provider.Add(t.Context(), c.name, cl); err != nil {
			t.Fatal(err)
		}
	}
	served(t, "beside-others")
	mgr.counts(t, 1, 3)
	mgr.ready(t)
	for _, name := range []multicluster.ClusterName{"silent", "refusing", "nobody"} {
		if _, err := mgr.GetCluster(t.Context(), name); err != nil {
			t.Errorf("%s is not engaged: %v", name, err)
		}
		provider.Remove(name)
	}
	served(t, "after-others")
	mgr.counts(t, 1, 0)
}
