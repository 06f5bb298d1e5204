// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/vwtest"
	"vworkspace.io/fleet/placement"
)

// patience of a test with what must come.
const patience = 20 * time.Second

// stream is what a program that is still running prints.
type stream struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

// String implements fmt.Stringer.
func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// eventually waits for something, with the state in which it never came.
func eventually(t *testing.T, what string, state func() string, holds func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, patience, true, func(context.Context) (bool, error) { return holds(), nil })
	if err != nil {
		t.Fatalf("never came: %s: %v\n%s", what, err, state())
	}
}

// watching is a vw watch that goes on beside the test.
type watching struct {
	t           *testing.T
	out, errOut stream
	status      chan int
}

func following(t *testing.T, args ...string) *watching {
	t.Helper()
	f := &watching{t: t, status: make(chan int, 1)}
	env := newEnv("v0.0.0-test", genericiooptions.IOStreams{In: strings.NewReader(""), Out: &f.out, ErrOut: &f.errOut})
	root := newRoot(env, "vw")
	go func() {
		f.status <- execute(t.Context(), env, root, append([]string{"--kubeconfig", kubeconfig, "watch"}, args...))
	}()
	return f
}

func (f *watching) prints(part string) {
	f.t.Helper()
	eventually(f.t, part, func() string { return f.out.String() + f.errOut.String() }, func() bool { return strings.Contains(f.out.String(), part) })
}

func (f *watching) ends(status int) {
	f.t.Helper()
	select {
	case got := <-f.status:
		if got != status {
			f.t.Errorf("exit status %d, want %d\n%s%s", got, status, f.out.String(), f.errOut.String())
		}
	case <-time.After(patience):
		f.t.Fatalf("it has not ended\n%s%s", f.out.String(), f.errOut.String())
	}
}

func TestWatchPlain(t *testing.T) {
	ns := namespace(t)
	run := vwtest.Seed(t, api, ns, "nightly", vwtest.Group("canary", 1), vwtest.Group("rest", 2))
	f := following(t, "nightly", "-n", ns)
	f.prints("Running RollingOut 0/3 clusters")
	run.Report(t, "canary-0", placement.ClusterResult{State: placement.Running, Reason: opsv1alpha1.ReasonExpanded})
	f.prints("running " + run.Cluster("canary-0"))
	run.Report(t, "rest-1", placement.ClusterResult{State: placement.Blocked, Reason: opsv1alpha1.ReasonPreconditionFailed, Message: "no BackupStorageLocation is Available"})
	f.prints("blocked " + run.Cluster("rest-1") + ": PreconditionFailed: no BackupStorageLocation is Available")
	run.Report(t, "rest-0", placement.ClusterResult{State: placement.Failed, Reason: "BackupFailed", Message: "the store is full"})
	f.prints("failed " + run.Cluster("rest-0") + ": BackupFailed: the store is full")
	run.End(t, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "1 of 3 clusters failed", opsv1alpha1.Counts{Total: 3, Succeeded: 2, Failed: 1})
	f.ends(ExitNo)
	f.prints("3 clusters: 2 succeeded, 1 failed")
	f.prints("vw describe op nightly -n " + ns + " --cluster " + run.Cluster("rest-0"))
	if got := f.errOut.String(); !strings.Contains(got, fmt.Sprintf("Operation %s/nightly Failed: SomeFailed", ns)) {
		t.Errorf("it prints %q as the error", got)
	}
}

func TestWatchOneThatSucceeded(t *testing.T) {
	ns := namespace(t)
	run := vwtest.Seed(t, api, ns, "nightly", vwtest.Group("all", 1))
	run.End(t, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "1 of 1 clusters succeeded", opsv1alpha1.Counts{Total: 1, Succeeded: 1})
	f := following(t, "nightly", "-n", ns)
	f.ends(ExitOK)
	f.prints("Succeeded AllSucceeded")
}

func TestWatchSeesThePlanCome(t *testing.T) {
	ns := namespace(t)
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "one"},
		Spec:       opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeBackup, TargetRef: &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "web"}},
	}
	if err := api.Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	f := following(t, "one", "-n", ns)
	f.prints("not taken up")
	run := vwtest.Adopt(t, api, op, vwtest.Group("all", 1))
	run.Report(t, "all-0", placement.ClusterResult{State: placement.Running, Reason: opsv1alpha1.ReasonExpanded})
	f.prints("running " + run.Cluster("all-0"))
	if err := api.Delete(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	f.ends(ExitError)
	f.prints("the Operation was deleted")
}

func TestWatchTakesKeptResultsUp(t *testing.T) {
	ns := namespace(t)
	run := vwtest.Seed(t, api, ns, "nightly", vwtest.Group("all", 3))
	f := following(t, "nightly", "-n", ns)
	f.prints("Running RollingOut 0/3 clusters")
	// What only the hub came to is in no ManifestWork.
	run.Keep(t, 0, []placement.ClusterResult{{Cluster: run.Cluster("all-1"), State: placement.Failed, Reason: opsv1alpha1.ReasonClusterUnreachable, Message: "no answer within 5m0s"}})
	run.Tell(t, func(s *opsv1alpha1.OperationStatus) {
		s.Summary = &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: 3, Failed: 1, Pending: 2}}
	})
	f.prints("failed " + run.Cluster("all-1") + ": ClusterUnreachable: no answer within 5m0s")
}

func TestWatchOnASpoke(t *testing.T) {
	ns := namespace(t)
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "local"},
		Spec:       opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeBackup, Selector: &opsv1alpha1.InstanceSelector{Namespaces: []string{ns}}},
	}
	if err := api.Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	tell := func(op *opsv1alpha1.Operation, phase opsv1alpha1.OperationPhase, reason, message string) {
		t.Helper()
		op.Status.Phase, op.Status.Reason, op.Status.Message = phase, reason, message
		if err := api.Status().Update(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	tell(op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonExpanded, "running on 1 instance")
	f := following(t, "local", "-n", ns)
	f.prints("Running Expanded")
	child := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "local-0123", Labels: map[string]string{opsv1alpha1.LabelParent: string(op.UID)}},
		Spec:       opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeBackup, TargetRef: &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "web"}},
	}
	if err := api.Create(t.Context(), child); err != nil {
		t.Fatal(err)
	}
	tell(child, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonEngineFailed, "the store is full")
	f.prints("failed " + ns + "/web: EngineFailed: the store is full")
	f.prints("1/1 instance")
	tell(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "1 of 1 instances failed")
	f.ends(ExitNo)
}

// TestWatchWithFewRights: who may not see ManifestWorks sees what the hub writes down, and what is missing.
func TestWatchWithFewRights(t *testing.T) {
	for name, c := range map[string]struct {
		configMaps bool
		wants      []string
	}{
		"no ManifestWorks":                {true, []string{"no right to list manifestworks in all namespaces", "failed NS-all-1: ClusterUnreachable: no answer"}},
		"no ManifestWorks, no ConfigMaps": {false, []string{"no right to get configmaps in namespace NS", "Running RollingOut 1/3 clusters, 1 failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			ns := namespace(t)
			run := vwtest.Seed(t, api, ns, "nightly", vwtest.Group("all", 3))
			allow(t, ns, c.configMaps)
			run.Keep(t, 0, []placement.ClusterResult{{Cluster: run.Cluster("all-1"), State: placement.Failed, Reason: opsv1alpha1.ReasonClusterUnreachable, Message: "no answer"}})
			run.Tell(t, func(s *opsv1alpha1.OperationStatus) {
				s.Summary = &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: 3, Failed: 1, Pending: 2}}
			})
			f := following(t, "nightly", "-n", ns, "--as", "watcher-"+ns)
			for _, want := range c.wants {
				f.prints(strings.ReplaceAll(want, "NS", ns))
			}
			run.End(t, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, "cancelled", opsv1alpha1.Counts{Total: 3, Failed: 1, Cancelled: 2})
			f.ends(ExitNo)
		})
	}
}

// allow the user watcher-NAMESPACE to follow an Operation there.
func allow(t *testing.T, ns string, configMaps bool) {
	t.Helper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "watcher"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{opsv1alpha1.GroupVersion.Group}, Resources: []string{"operations"}, Verbs: []string{"get", "watch"}},
	}}
	if configMaps {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{corev1.GroupName}, Resources: []string{"configmaps"}, Verbs: []string{"get"}})
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "watcher"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "watcher"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "watcher-" + ns}},
	}
	for _, create := range []func() error{func() error { return api.Create(t.Context(), role) }, func() error { return api.Create(t.Context(), binding) }} {
		if err := create(); err != nil {
			t.Fatal(err)
		}
	}
	for _, rule := range role.Rules {
		allowed(t, "watcher-"+ns, ns, reads(rule.APIGroups[0], rule.Resources[0]))
	}
}

func TestWatchTimeout(t *testing.T) {
	ns := namespace(t)
	vwtest.Seed(t, api, ns, "nightly", vwtest.Group("all", 1))
	got := vw(t, "watch", "nightly", "-n", ns, "--timeout", "3s")
	if got.status != ExitTimeout || !strings.Contains(got.errOut, "has not ended within 3s (--timeout): it goes on") || !strings.Contains(got.out, "Look again: vw watch nightly -n "+ns) {
		t.Errorf("%+v", got)
	}
}

func TestWatchMistakes(t *testing.T) {
	ns := namespace(t)
	for name, c := range map[string]struct {
		args   []string
		errOut string
	}{
		"no such Operation":     {[]string{"nope", "-n", ns}, "there is no Operation nope in namespace " + ns},
		"no right to it":        {[]string{"nope", "-n", ns, "--as", "nobody"}, "ask who runs the cluster for that right"},
		"no name":               {nil, "accepts 1 arg(s), received 0"},
		"a timeout of the past": {[]string{"x", "--timeout", "-1s"}, "--timeout: -1s is negative; leave it out"},
	} {
		got := vw(t, append([]string{"watch"}, c.args...)...)
		if got.status != ExitError || !strings.Contains(got.errOut, c.errOut) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
