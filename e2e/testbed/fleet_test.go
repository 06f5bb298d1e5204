// SPDX-License-Identifier: Apache-2.0

package testbed_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"vworkspace.io/fleet/e2e/testbed"
)

const (
	// conditionTimeout bounds every wait of these tests; the slowest, a start of a fleet, takes seconds on an idle machine.
	conditionTimeout = 5 * time.Minute
	// supervisorDir tells a child of the test binary to be a supervisor, and where.
	supervisorDir = "TESTBED_TEST_SUPERVISOR_DIR"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(supervisorDir); dir != "" {
		superviseForever(dir)
	}
	os.Exit(m.Run())
}

// superviseForever is what a test that kills a supervisor runs in a process of its own.
func superviseForever(dir string) {
	if _, err := testbed.Up(context.Background(), testbed.Options{Dir: dir, Progress: os.Stderr}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

// One fleet serves all parts: each takes longer to start than to run.
func TestFleet(t *testing.T) {
	dir := t.TempDir()
	f, err := testbed.Up(t.Context(), testbed.Options{
		Dir: dir, Clusters: 1, Charts: []string{"testdata/charts"}, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Down() }) // for when a part below fails; the last part checks it

	t.Run("the spoke is an available managed cluster", func(t *testing.T) { testJoined(t, f) })
	t.Run("a ManifestWork's Jobs run and report", func(t *testing.T) { testManifestWork(t, f) })
	t.Run("charts install from the repository and the registry", func(t *testing.T) { testCharts(t, f) })
	t.Run("a second fleet is refused in the same folder", func(t *testing.T) {
		_, err := testbed.Up(t.Context(), testbed.Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "holds a fleet that runs") {
			t.Fatalf("Up in a live fleet's folder: got error %v", err)
		}
	})
	t.Run("a process can be killed and restarted", func(t *testing.T) { testRestart(t, f) })
	t.Run("a component's death is reported", func(t *testing.T) { testDeath(t, f) })
	t.Run("nothing is left after Down", func(t *testing.T) {
		if err := f.Down(); err != nil {
			t.Fatal(err)
		}
		state := readState(t, dir)
		if live := without(state.Live(), os.Getpid()); len(live) > 0 {
			t.Errorf("still running: %v", live)
		}
		if state.Phase != testbed.PhaseFailed || !strings.Contains(state.Error, "spoke1-kwok") {
			t.Errorf("testbed.json does not tell of the failure: phase %q, error %q", state.Phase, state.Error)
		}
	})
}

func testJoined(t *testing.T, f *testbed.Fleet) {
	hub := newClient(t, f.Hub)
	mc := &clusterv1.ManagedCluster{}
	if err := hub.Get(t.Context(), client.ObjectKey{Name: "spoke1"}, mc); err != nil {
		t.Fatal(err)
	}
	if !meta.IsStatusConditionTrue(mc.Status.Conditions, clusterv1.ManagedClusterConditionAvailable) {
		t.Errorf("not Available: %+v", mc.Status.Conditions)
	}
	if got := mc.Status.Version.Kubernetes; got != "v1.34.4" {
		t.Errorf("Kubernetes version: got %q, the binaries are not stamped", got)
	}
	if err := f.Place(t.Context(), "team", "everywhere"); err != nil {
		t.Error(err)
	}
}

// testManifestWork delivers a Job that completes and one that fails, and reads both from the hub.
func testManifestWork(t *testing.T, f *testbed.Fleet) {
	hub, spoke := newClient(t, f.Hub), newClient(t, f.Spokes[0])
	work := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: "spoke1", Name: "jobs"}}
	for _, j := range []*batchv1.Job{
		job("good", nil),
		job("bad", map[string]string{
			testbed.AnnotationOutcome: testbed.OutcomeFail, testbed.AnnotationMessage: "disk full", testbed.AnnotationDuration: "1s",
		}),
	} {
		work.Spec.Workload.Manifests = append(work.Spec.Workload.Manifests, workv1.Manifest{RawExtension: runtime.RawExtension{Object: j}})
		work.Spec.ManifestConfigs = append(work.Spec.ManifestConfigs, workv1.ManifestConfigOption{
			ResourceIdentifier: workv1.ResourceIdentifier{Group: "batch", Resource: "jobs", Namespace: "default", Name: j.Name},
			FeedbackRules:      []workv1.FeedbackRule{{Type: workv1.WellKnownStatusType}},
		})
	}
	if err := hub.Create(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	until(t, "both Jobs' ends in the ManifestWork's feedback", func(ctx context.Context) (string, error) {
		if err := hub.Get(ctx, client.ObjectKeyFromObject(work), work); err != nil {
			return "", err
		}
		got := map[string]string{}
		for _, m := range work.Status.ResourceStatus.Manifests {
			for _, v := range m.StatusFeedbacks.Values {
				if v.Name == "JobComplete" && v.Value.String != nil {
					got[m.ResourceMeta.Name] = *v.Value.String
				}
			}
		}
		if got["good"] != "True" {
			return fmt.Sprintf("%v", got), nil
		}
		return "", nil
	})
	bad := &batchv1.Job{}
	until(t, "the failing Job to have failed", func(ctx context.Context) (string, error) {
		err := spoke.Get(ctx, client.ObjectKey{Namespace: "default", Name: "bad"}, bad)
		return pending(bad.Status.Failed > 0, "%+v", bad.Status), client.IgnoreNotFound(err)
	})
	pods := &corev1.PodList{}
	if err := spoke.List(t.Context(), pods, client.InNamespace("default"), client.MatchingLabels{"job-name": "bad"}); err != nil {
		t.Fatal(err)
	}
	want := &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", Message: "disk full"}
	for _, p := range pods.Items {
		got := p.Status.ContainerStatuses[0].State.Terminated.DeepCopy()
		if ran := got.FinishedAt.Sub(got.StartedAt.Time); ran < time.Second {
			t.Errorf("ran %s, its annotation says 1s", ran)
		}
		got.StartedAt, got.FinishedAt = metav1.Time{}, metav1.Time{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("termination (-want +got):\n%s", diff)
		}
	}
	if len(pods.Items) != 1 {
		t.Errorf("got %d Pods of the failing Job, want 1", len(pods.Items))
	}
}

// testCharts installs one version of the chart from the Helm repository, the other from the OCI registry.
func testCharts(t *testing.T, f *testbed.Fleet) {
	spoke := newClient(t, f.Spokes[0])
	manifests := fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: charts, namespace: default}
spec: {interval: 1h, url: %q}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: from-repository, namespace: default}
spec:
  interval: 1h
  chart:
    spec: {chart: hello, version: 1.0.0, sourceRef: {kind: HelmRepository, name: charts}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: hello, namespace: default}
spec: {interval: 1h, url: %q, insecure: true, ref: {tag: 2.0.0}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: from-registry, namespace: default}
spec:
  interval: 1h
  chartRef: {kind: OCIRepository, name: hello}
`, f.ChartRepoURL, f.OCIURL+"/hello")
	if err := testbed.Apply(t.Context(), f.Spokes[0].Config(), []byte(manifests)); err != nil {
		t.Fatal(err)
	}
	for name, version := range map[string]string{"from-repository": "1.0.0", "from-registry": "2.0.0"} {
		release := &unstructured.Unstructured{}
		release.SetGroupVersionKind(schema.GroupVersionKind{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease"})
		until(t, name+" to be Ready", func(ctx context.Context) (string, error) {
			err := spoke.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, release)
			conditions, _, _ := unstructured.NestedSlice(release.Object, "status", "conditions")
			return pending(conditionTrue(conditions, "Ready"), "%v", conditions), err
		})
		cm := &corev1.ConfigMap{}
		if err := spoke.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: name}, cm); err != nil {
			t.Fatal(err)
		}
		// From a registry, Flux adds the artifact's digest as build metadata.
		if got, _, _ := strings.Cut(cm.Data["version"], "+"); got != version {
			t.Errorf("%s: installed version %q, want %q", name, got, version)
		}
	}
}

// testRestart kills a process on purpose: the fleet does not call that a failure.
func testRestart(t *testing.T, f *testbed.Fleet) {
	p, err := f.Start(testbed.Command{Name: "agent", Path: "/bin/sh", Args: []string{"-c", "echo started; exec sleep 1000"}})
	if err != nil {
		t.Fatal(err)
	}
	first := p.PID()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	if p.PID() == first {
		t.Error("the process was not restarted")
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if err := f.Err(); err != nil {
		t.Errorf("the fleet failed: %v", err)
	}
}

func testDeath(t *testing.T, f *testbed.Fleet) {
	if err := syscall.Kill(f.Process("spoke1-kwok").PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-f.Failed():
	case <-time.After(conditionTimeout):
		t.Fatal("the fleet did not notice")
	}
	var exit *testbed.ExitError
	if !errors.As(f.Err(), &exit) {
		t.Fatalf("got %v, want an *ExitError", f.Err())
	}
	if exit.Name != "spoke1-kwok" || exit.Status != "signal: killed" || len(exit.Tail) == 0 {
		t.Errorf("the error does not name the component, its status and its log: %v", exit)
	}
}

func TestUpNamesTheComponentThatDies(t *testing.T) {
	assets, dir := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\necho out of cheese\nexit 7\n"
	if err := os.WriteFile(filepath.Join(assets, "etcd"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBEBUILDER_ASSETS", assets)
	_, err := testbed.Up(t.Context(), testbed.Options{Dir: dir, Progress: t.Output()})
	for _, part := range []string{"etcd ended unexpectedly (exit status 7)", "out of cheese", "etcd.log"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	if state := readState(t, dir); state.Phase != testbed.PhaseFailed || len(without(state.Live(), os.Getpid())) > 0 {
		t.Errorf("phase %s, running: %v", state.Phase, state.Live())
	}
}

func TestNothingIsLeftAfterKillOfTheSupervisor(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	supervisor := exec.CommandContext(t.Context(), self)
	supervisor.Env = append(os.Environ(), supervisorDir+"="+dir)
	supervisor.Stderr = t.Output()
	if err := supervisor.Start(); err != nil {
		t.Fatal(err)
	}
	var state *testbed.State
	until(t, "the fleet to be up", func(context.Context) (string, error) {
		if state, err = testbed.ReadState(dir); err != nil || state == nil {
			return "no testbed.json", err
		}
		return pending(state.Phase == testbed.PhaseUp, "phase %s %s", state.Phase, state.Error), nil
	})
	if live := len(state.Live()); live < 7 { // supervisor, etcd, two of Kubernetes, three of OCM
		t.Fatalf("only %d processes are recorded as running: %v", live, state.Live())
	}
	if err := supervisor.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = supervisor.Wait() // "signal: killed"
	until(t, "all processes to be gone", func(context.Context) (string, error) {
		return pending(len(state.Live()) == 0, "still running: %v", state.Live()), nil
	})
	if err := testbed.Down(t.Context(), dir); err != nil {
		t.Errorf("Down of a dead fleet: %v", err)
	}
}

func job(name string, annotations map[string]string) *batchv1.Job {
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: batchv1.JobSpec{
			BackoffLimit: new(int32),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Annotations: annotations},
				Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyNever,
					Containers:    []corev1.Container{{Name: "work", Image: "any"}},
				},
			},
		},
	}
}

// until polls until what says that nothing is pending.
func until(t *testing.T, what string, poll func(context.Context) (pending string, err error)) {
	t.Helper()
	var last string
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, conditionTimeout, true,
		func(ctx context.Context) (bool, error) {
			var err error
			last, err = poll(ctx)
			return err == nil && last == "", err
		})
	if err != nil {
		t.Fatalf("wait for %s: %v; last: %s", what, err, last)
	}
}

func pending(done bool, format string, args ...any) string {
	if done {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func conditionTrue(conditions []any, kind string) bool {
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == kind {
			return m["status"] == "True"
		}
	}
	return false
}

func newClient(t *testing.T, c *testbed.Cluster) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, clusterv1.Install, workv1.Install} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	cl, err := client.New(c.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

func readState(t *testing.T, dir string) *testbed.State {
	t.Helper()
	state, err := testbed.ReadState(dir)
	if err != nil || state == nil {
		t.Fatalf("read %s: %v", filepath.Join(dir, "testbed.json"), err)
	}
	return state
}

func without(ps []testbed.ProcessState, pid int) []testbed.ProcessState {
	var out []testbed.ProcessState
	for _, p := range ps {
		if p.PID != pid {
			out = append(out, p)
		}
	}
	return out
}
