// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	ociregistry "github.com/google/go-containerregistry/pkg/registry"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/registry"
)

// charts serves packaged charts from this process, as a Helm repository and as an OCI registry, over plain HTTP.
type charts struct {
	repoURL string // http://HOST:PORT
	ociURL  string // oci://HOST:PORT/charts; the chart's name follows
	servers []*http.Server
}

// ociPath is the repository prefix of every chart in the OCI registry.
const ociPath = "charts"

// serveCharts packages every chart below the folders into dir, and serves them.
func serveCharts(dir string, folders []string) (*charts, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("serve charts: %w", err)
	}
	c := &charts{}
	repoAddress, err := c.serve(http.FileServer(http.Dir(dir)))
	if err != nil {
		return nil, err
	}
	quiet := ociregistry.Logger(log.New(io.Discard, "", 0))
	ociAddress, err := c.serve(ociregistry.New(quiet))
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	c.repoURL, c.ociURL = "http://"+repoAddress, "oci://"+ociAddress+"/"+ociPath
	if err := c.publish(dir, folders); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// serve listens on a free port. The listener is open before anybody learns the port, so there is no race for it.
func (c *charts) serve(h http.Handler) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return "", fmt.Errorf("serve charts: %w", err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	c.servers = append(c.servers, s)
	go func() { _ = s.Serve(l) }() // ends with http.ErrServerClosed in close
	return l.Addr().String(), nil
}

func (c *charts) close() error {
	var errs []error
	for _, s := range c.servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// publish packages the charts, writes the repository's index and pushes each chart to the registry.
func (c *charts) publish(dir string, folders []string) error {
	client, err := registry.NewClient(registry.ClientOptPlainHTTP(), registry.ClientOptWriter(io.Discard),
		registry.ClientOptCredentialsFile(filepath.Join(dir, "no-credentials.json")))
	if err != nil {
		return fmt.Errorf("serve charts: %w", err)
	}
	var all []*chart.Chart
	for _, folder := range folders {
		found, err := chartDirs(folder)
		if err != nil {
			return err
		}
		for _, chartDir := range found {
			loaded, err := loader.LoadDir(chartDir)
			if err != nil {
				return fmt.Errorf("serve chart %s: %w", chartDir, err)
			}
			all = append(all, loaded)
		}
	}
	archives, err := PackageCharts(dir, all...)
	if err != nil {
		return err
	}
	for i, archive := range archives {
		data, err := os.ReadFile(archive)
		if err != nil {
			return err
		}
		if _, err := client.Push(data, c.reference(all[i].Metadata)); err != nil {
			return fmt.Errorf("serve chart %s: %w", all[i].Name(), err)
		}
	}
	return nil
}

// PackageCharts makes of a folder a Helm repository of charts, to be served over HTTP. It returns the path of each one's archive.
func PackageCharts(dir string, all ...*chart.Chart) ([]string, error) {
	index := newChartIndex()
	var archives []string
	for _, c := range all {
		if err := c.Validate(); err != nil {
			return nil, fmt.Errorf("package chart %s: %w", c.Name(), err)
		}
		archive, err := chartutil.Save(c, dir)
		if err != nil {
			return nil, fmt.Errorf("package chart %s: %w", c.Name(), err)
		}
		data, err := os.ReadFile(archive)
		if err != nil {
			return nil, err
		}
		index.add(c.Metadata, archive, data)
		archives = append(archives, archive)
	}
	return archives, index.write(dir)
}

// reference is where a chart is in the OCI registry, without the scheme.
func (c *charts) reference(m *chart.Metadata) string {
	return fmt.Sprintf("%s/%s:%s", c.ociURL[len("oci://"):], m.Name, m.Version)
}

// chartDirs finds charts: the folder itself, or FOLDER/NAME, or FOLDER/NAME/VERSION. It does not look inside a
// chart, where its dependencies are.
func chartDirs(folder string) ([]string, error) {
	level := []string{folder}
	var found []string
	for range 3 {
		var next []string
		for _, dir := range level {
			if _, err := os.Stat(filepath.Join(dir, chartutil.ChartfileName)); err == nil {
				found = append(found, dir)
				continue
			}
			children, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil {
				return nil, err
			}
			next = append(next, children...)
		}
		level = next
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no Chart.yaml in %s, %s/NAME or %s/NAME/VERSION", folder, folder, folder)
	}
	return found, nil
}
