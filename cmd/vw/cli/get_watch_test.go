// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"net/http/httptest"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// screen is what a command has printed so far.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// until a text is on the screen.
func (s *screen) until(t *testing.T, text string) {
	t.Helper()
	eventually(t, text, s.String, func() bool { return strings.Contains(s.String(), text) })
}

// begun is a call of vw that goes on until it is interrupted by end, which returns its status.
func begun(t *testing.T, args ...string) (out, errOut *screen, end func() int) {
	t.Helper()
	out, errOut = &screen{}, &screen{}
	env := newEnv("v0.0.0-test", genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: errOut})
	root := newRoot(env, "vw")
	ctx, stop := context.WithCancel(t.Context())
	status := make(chan int, 1)
	go func() { status <- execute(ctx, env, root, args) }()
	return out, errOut, func() int {
		stop()
		return <-status
	}
}

// flaky is an API server behind a connection that can be cut.
type flaky struct {
	*httptest.Server
	kubeconfig string
}

func newFlaky(t *testing.T) *flaky {
	t.Helper()
	transport, err := rest.TransportFor(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(server.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	f := &flaky{Server: httptest.NewServer(proxy), kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	t.Cleanup(f.Close)
	config := clientcmdapi.NewConfig()
	config.Clusters["flaky"] = &clientcmdapi.Cluster{Server: f.URL}
	config.Contexts["flaky"] = &clientcmdapi.Context{Cluster: "flaky"}
	config.CurrentContext = "flaky"
	raw, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.kubeconfig, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestGetWatch: each change is a line, once, also when the connection is cut in between.
func TestGetWatch(t *testing.T) {
	ns, between := namespace(t), newFlaky(t)
	op := created(t, ns, "nightly", fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhasePending, Reason: "First"})
	created(t, ns, "other", fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhasePending, Reason: "Other"})
	out, errOut, end := begun(t, "--kubeconfig", between.kubeconfig, "get", "op", "nightly", "-w", "-n", ns)
	out.until(t, "First")
	set := func(phase opsv1alpha1.OperationPhase, reason string) {
		op.Status.Phase, op.Status.Reason = phase, reason
		if err := api.Status().Update(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	set(opsv1alpha1.PhaseRunning, "Second")
	out.until(t, "Second")
	between.CloseClientConnections()
	set(opsv1alpha1.PhaseSucceeded, "Third")
	out.until(t, "Third")
	if got := end(); got != ExitOK {
		t.Errorf("ends with %d: %s", got, errOut)
	}
	if lines := fields(out.String()); len(lines) != 4 || strings.Contains(out.String(), "other") {
		t.Errorf("want a head and three lines of one Operation:\n%s", out)
	}
}

func TestGetWatchObjects(t *testing.T) {
	ns := namespace(t)
	op := created(t, ns, "nightly", fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{})
	out, _, end := begun(t, "--kubeconfig", kubeconfig, "get", "op", "-w", "-n", ns, "-o", "jsonpath={.metadata.name} {.status.phase};")
	out.until(t, "nightly ;")
	op.Status.Phase = opsv1alpha1.PhaseRunning
	if err := api.Status().Update(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	out.until(t, "nightly Running;")
	if got := end(); got != ExitOK {
		t.Errorf("ends with %d", got)
	}
}
