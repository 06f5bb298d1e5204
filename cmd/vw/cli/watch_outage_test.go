// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/vwtest"
	"vworkspace.io/fleet/placement"
)

// line to the API server, that can be cut and mended.
type line struct {
	t       *testing.T
	address string
	handler http.Handler
	server  *http.Server
}

func newLine(t *testing.T) *line {
	t.Helper()
	transport, err := rest.TransportFor(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(server.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport, proxy.FlushInterval = transport, -1
	l := &line{t: t, address: "127.0.0.1:0", handler: proxy}
	l.mend()
	t.Cleanup(l.cut)
	return l
}

func (l *line) mend() {
	l.t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.address = listener.Addr().String()
	l.server = &http.Server{Handler: l.handler, ReadHeaderTimeout: patience}
	go func(s *http.Server) { _ = s.Serve(listener) }(l.server)
}

func (l *line) cut() { _ = l.server.Close() }

// TestWatchOverALineThatBreaks: what is of the past is not shown as if it were of now, and what was missed is made up for.
func TestWatchOverALineThatBreaks(t *testing.T) {
	ns := namespace(t)
	run := vwtest.Seed(t, api, ns, "nightly", vwtest.Group("all", 2))
	l := newLine(t)
	f := &watching{t: t, status: make(chan int, 1)}
	env := newEnv("v0.0.0-test", genericiooptions.IOStreams{In: strings.NewReader(""), Out: &f.out, ErrOut: &f.errOut})
	root := newRoot(env, "vw")
	go func() {
		f.status <- execute(t.Context(), env, root, []string{"--server", "http://" + l.address, "-n", ns, "watch", "nightly"})
	}()
	f.prints("Running RollingOut 0/2 clusters")
	l.cut()
	f.prints("not connected: ")
	run.Report(t, "all-1", placement.ClusterResult{State: placement.Failed, Reason: "BackupFailed", Message: "the store is full"})
	l.mend()
	f.prints("failed " + run.Cluster("all-1") + ": BackupFailed: the store is full")
	f.prints("connected again")
	run.End(t, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "", opsv1alpha1.Counts{Total: 2, Succeeded: 2})
	f.ends(ExitOK)
}
