// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// TestFiles: with a folder of certificates, those are shown, and nothing is asked of any API server: there is none.
func TestFiles(t *testing.T) {
	c, _, err := certificates{}.next(serverNames, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{keyCert: c.cert, keyKey: c.key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{BindAddress: address, Name: "vworkspace-hub-admission", Namespace: "vworkspace-hub", CertDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := ctrl.NewManager(&rest.Config{Host: "https://127.0.0.1:1"}, ctrl.Options{Metrics: server.Options{BindAddress: "0"}, WebhookServer: s.WebhookServer()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Setup(mgr); err != nil {
		t.Fatal(err)
	}
	go func() { _ = mgr.Start(t.Context()) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.authorities)
	var last error
	if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
		if last = err; err == nil {
			err = conn.Close()
			return true, err
		}
		return false, nil // not yet
	}); err != nil {
		t.Fatal(err, last)
	}
}
