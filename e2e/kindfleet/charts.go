// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"helm.sh/helm/v3/pkg/chart"

	"vworkspace.io/fleet/e2e/testbed"
)

// ServeCharts serves charts as a Helm repository beside the nodes, as long as the fleet runs, and returns its URL.
func (f *Fleet) ServeCharts(ctx context.Context, all ...*chart.Chart) (string, error) {
	dir := filepath.Join(f.dir, "charts")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if _, err := testbed.PackageCharts(dir, all...); err != nil {
		return "", err
	}
	gateway, err := f.gateway(ctx)
	if err != nil {
		return "", err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		return "", err
	}
	f.charts = &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = f.charts.Serve(l) }() // ends with http.ErrServerClosed in Down
	return "http://" + l.Addr().String(), nil
}
