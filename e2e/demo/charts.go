// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"embed"
	"fmt"
	"os"
)

// chartFiles are the versions of the demo's application, embedded so that the demo does not depend on where it is started.
//
//go:embed all:charts
var chartFiles embed.FS

// unpackCharts writes the charts to a new folder and returns it, with a function that removes it.
func unpackCharts() (string, func(), error) {
	dir, err := os.MkdirTemp("", "vw-demo-charts-")
	if err != nil {
		return "", nil, fmt.Errorf("unpack the demo's charts: %w", err)
	}
	remove := func() { _ = os.RemoveAll(dir) }
	if err := os.CopyFS(dir, chartFiles); err != nil {
		remove()
		return "", nil, fmt.Errorf("unpack the demo's charts: %w", err)
	}
	return dir, remove, nil
}
