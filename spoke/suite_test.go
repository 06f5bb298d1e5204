// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/providers/single"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/job"
	"vworkspace.io/fleet/engines/volsync"
)

// The agent under test runs against a real API server, and nothing else does: no Job controller, no garbage collector and no Flux. Tests play
// those by writing the status that the real ones write.
var (
	k8s        client.WithWatch
	restConfig *rest.Config
	// agentConfig is the agent's: it has a token of its ServiceAccount, because who is impersonated cannot impersonate.
	agentConfig *rest.Config
	faults      = &faultList{}
	agentClock  = &fastClock{}
	// agentMetrics are exported as cmd/spoke exports them.
	agentMetrics = NewMetrics()
)

// fastClock is the agent's. A test can put it forward.
type fastClock struct {
	clock.RealClock
	ahead atomic.Int64
}

// Now implements clock.PassiveClock.
func (c *fastClock) Now() time.Time { return c.RealClock.Now().Add(time.Duration(c.ahead.Load())) }

// Since implements clock.PassiveClock.
func (c *fastClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// forward lets time go by for the agent.
func (c *fastClock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// resetAfter the test.
func (c *fastClock) resetAfter(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { c.ahead.Store(0) })
}

// within bounds every wait; a wait ends as soon as what it waits for is there.
const within = 60 * time.Second

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ctrl.SetLogger(zap.New(zap.WriteTo(logWriter()), zap.UseDevMode(true)))
	dir, err := testbed.Assets(ctx, os.Stderr)
	if err != nil {
		return 1, err
	}
	crds, err := crdPaths()
	if err != nil {
		return 1, err
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory: dir, CRDInstallOptions: envtest.CRDInstallOptions{Paths: crds, ErrorIfPathMissing: true, MaxTime: within},
		ControlPlaneStartTimeout: within, ControlPlaneStopTimeout: within,
	}
	if restConfig, err = env.Start(); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	restConfig.QPS = -1
	scheme := runtime.NewScheme()
	if err := AddToScheme(scheme); err != nil {
		return 1, err
	}
	if k8s, err = client.NewWithWatch(restConfig, client.Options{Scheme: scheme}); err != nil {
		return 1, err
	}
	// The agent has the rights of deploy/spoke and no others, so that a right which is missing there fails a test here.
	folder := filepath.Join("..", "deploy", "spoke")
	if err := testbed.ApplyFiles(ctx, restConfig, filepath.Join(folder, "namespace.yaml"), filepath.Join(folder, "rbac.yaml"), filepath.Join(folder, "executors.yaml"),
		filepath.Join(folder, "profiles.yaml")); err != nil {
		return 1, err
	}
	if err := testbed.ApplyFiles(ctx, restConfig, filepath.Join("testdata", "widgets.rbac.yaml")); err != nil {
		return 1, err
	}
	if agentConfig, err = testbed.As(ctx, restConfig, opsv1alpha1.DefaultAgentNamespace, "vworkspace-agent"); err != nil {
		return 1, err
	}
	if err := openCatalog(ctx, k8s); err != nil {
		return 1, err
	}
	stopped := make(chan error, 1)
	go func() { stopped <- startAgent(ctx, scheme) }()
	code = m.Run()
	cancel()
	return code, <-stopped
}

func startAgent(ctx context.Context, scheme *runtime.Scheme) error {
	faulty := func(cfg *rest.Config, o client.Options) (client.Client, error) {
		c, err := client.NewWithWatch(cfg, o)
		if err != nil {
			return nil, err
		}
		return interceptor.NewClient(c, faults.funcs()), nil
	}
	local, err := ctrl.NewManager(agentConfig, ctrl.Options{
		Scheme: scheme, Cache: CacheOptions(), Metrics: metricsserver.Options{BindAddress: "0"},
		LeaderElection: true, LeaderElectionID: "vworkspace-agent", LeaderElectionNamespace: opsv1alpha1.DefaultAgentNamespace,
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
		NewClient:  faulty,
	})
	if err != nil {
		return err
	}
	mgr, err := mcmanager.WithMultiCluster(local, single.New("spoke1", local))
	if err != nil {
		return err
	}
	registry := engines.NewRegistry(job.New(), volsync.New(), widgetEngine{}, stoppableEngine{}, lateEngine{})
	if err := Setup(ctx, mgr, Options{Engines: registry, Clock: agentClock, Discovery: 200 * time.Millisecond, Metrics: agentMetrics, NewClient: faulty}); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// logWriter is where the agent's log goes: nowhere, unless SPOKE_TEST_LOG names a file.
func logWriter() *os.File {
	name := os.Getenv("SPOKE_TEST_LOG")
	if name == "" {
		name = os.DevNull
	}
	f, err := os.Create(name)
	if err != nil {
		panic(err)
	}
	return f
}

// crdPaths are our CRDs, the tests' own, and those of the versions of Flux, OCM, Velero and CSI snapshots that this repository uses, from the module cache.
// VolSync's are not there.
func crdPaths() ([]string, error) {
	paths := []string{filepath.Join("..", "deploy", "crds"), filepath.Join("testdata", "widgets.crd.yaml")}
	for _, m := range []struct{ dir, module, path string }{
		{filepath.Join("..", "e2e", "testbed", "components"), "github.com/fluxcd/helm-controller", "config/crd/bases"},
		{filepath.Join("..", "e2e", "testbed", "components"), "github.com/fluxcd/source-controller", "config/crd/bases"},
		{"..", "open-cluster-management.io/api", "cluster/v1alpha1/0000_02_clusters.open-cluster-management.io_clusterclaims.crd.yaml"},
		{"..", "github.com/vmware-tanzu/velero", "config/crd/v1/bases/velero.io_backups.yaml"},
		{"..", "github.com/kubernetes-csi/external-snapshotter/client/v8", "config/crd/snapshot.storage.k8s.io_volumesnapshots.yaml"},
	} {
		dir, err := moduleDir(m.dir, m.module)
		if err != nil {
			return nil, err
		}
		paths = append(paths, filepath.Join(dir, m.path))
	}
	return paths, nil
}

func moduleDir(dir, module string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find module %s: %w", module, err)
	}
	var info struct{ Dir string }
	return info.Dir, errors.Join(json.Unmarshal(out, &info))
}

// gatedNamespace makes a namespace that is open, named after the test.
func gatedNamespace(t *testing.T) string { return namespace(t, true) }

func namespace(t *testing.T, gated bool) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-"}}
	if gated {
		ns.Labels = map[string]string{appsv1alpha1.LabelNamespaceGate: appsv1alpha1.NamespaceGated}
	}
	create(t, ns)
	return ns.Name
}

func create(t *testing.T, obj client.Object) {
	t.Helper()
	if err := k8s.Create(t.Context(), obj); err != nil {
		t.Fatalf("create %T %s: %v", obj, obj.GetName(), err)
	}
}

// capable is a placeholder instance that advertises every type with the engine. The agent makes it Ready by itself.
func capable(t *testing.T, namespace, name string, engine opsv1alpha1.OperationEngine) *appsv1alpha1.ApplicationInstance {
	t.Helper()
	ai := placeholder(namespace, name, "shop")
	ai.Annotations = map[string]string{}
	for _, typ := range []opsv1alpha1.OperationType{opsv1alpha1.TypeBackup, opsv1alpha1.TypeRestore, opsv1alpha1.TypeUpgrade,
		opsv1alpha1.TypeMigration, opsv1alpha1.TypeRunCommand, opsv1alpha1.TypeRunbook} {
		ai.Annotations[typ.Capability()] = string(engine)
	}
	create(t, ai)
	return ai
}

func placeholder(namespace, name, catalog string) *appsv1alpha1.ApplicationInstance {
	return &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: catalog}},
	}
}

// on is an Operation on one instance.
func on(namespace, name, target string, typ opsv1alpha1.OperationType) *opsv1alpha1.Operation {
	return &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: opsv1alpha1.OperationSpec{
			TargetRef: &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: target},
			Type:      typ,
		},
	}
}

// selecting is an Operation on every instance that matches.
func selecting(namespace, name string, selector opsv1alpha1.InstanceSelector) *opsv1alpha1.Operation {
	return &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       opsv1alpha1.OperationSpec{Selector: &selector, Type: opsv1alpha1.TypeRunCommand},
	}
}

func parameters(t *testing.T, raw string) *runtime.RawExtension {
	t.Helper()
	return &runtime.RawExtension{Raw: []byte(raw)}
}

func seconds(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Second}
}

// reload reads an object as the API server has it.
func reload[T client.Object](t *testing.T, obj T) T {
	t.Helper()
	if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
		t.Fatalf("read %T %s: %v", obj, obj.GetName(), err)
	}
	return obj
}

// eventually waits until f says nothing, and fails with what it said last.
func eventually(t *testing.T, f func() string) {
	t.Helper()
	said := "never asked"
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, within, true, func(context.Context) (bool, error) {
		said = f()
		return said == "", nil
	})
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
}

// reaches waits for a phase and reason; the reason may be empty.
func reaches(t *testing.T, op *opsv1alpha1.Operation, phase opsv1alpha1.OperationPhase, reason string) *opsv1alpha1.Operation {
	t.Helper()
	eventually(t, func() string {
		if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(op), op); err != nil {
			return err.Error()
		}
		if op.Status.Phase == phase && (reason == "" || op.Status.Reason == reason) {
			return ""
		}
		return fmt.Sprintf("%s is %s/%s (%s), wanted %s/%s", op.Name, op.Status.Phase, op.Status.Reason, op.Status.Message, phase, reason)
	})
	return op
}

func blockedFrom(t *testing.T, op *opsv1alpha1.Operation, reason string) *opsv1alpha1.Operation {
	t.Helper()
	reaches(t, op, opsv1alpha1.PhasePending, reason)
	if !op.Status.Blocked {
		t.Errorf("status.blocked is not set: %+v", op.Status)
	}
	return op
}

// says waits until the message has all the words. An agent may have said something else before, of what it had not read yet.
func says(t *testing.T, op *opsv1alpha1.Operation, words ...string) {
	t.Helper()
	missing := func() string {
		for _, w := range words {
			if !strings.Contains(op.Status.Message, w) {
				return fmt.Sprintf("%s is %s/%s and does not say %q: %s", op.Name, op.Status.Phase, op.Status.Reason, w, op.Status.Message)
			}
		}
		return ""
	}
	if missing() == "" {
		return
	}
	eventually(t, func() string {
		reload(t, op)
		return missing()
	})
}

func gone(t *testing.T, obj client.Object) {
	t.Helper()
	eventually(t, func() string {
		err := k8s.Get(t.Context(), client.ObjectKeyFromObject(obj), obj)
		if client.IgnoreNotFound(err) != nil {
			return err.Error()
		}
		if err == nil {
			return fmt.Sprintf("%T %s is still there", obj, obj.GetName())
		}
		return ""
	})
}
