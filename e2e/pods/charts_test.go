// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
)

// charts is the URL of a repository with the charts of people's applications. It is there as long as the fleet.
func charts(t *testing.T) string {
	t.Helper()
	url, err := chartsURL()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

var chartsURL = sync.OnceValues(func() (string, error) {
	var all []*chart.Chart
	for name, versions := range map[string][]string{"shop": {"1.0.0", "1.1.0", "1.2.0", "1.3.0"}, "vault": {"1.0.0"}} {
		for _, version := range versions {
			c, err := loader.LoadDir(filepath.Join("testdata", name))
			if err != nil {
				return "", err
			}
			c.Metadata.Version = version
			all = append(all, c)
		}
	}
	return fleet.ServeCharts(context.Background(), all...)
})
