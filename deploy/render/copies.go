// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
)

// chartFolders are the charts.
var chartFolders = []string{"deploy/charts/hub", "deploy/charts/spoke"}

// copyAPIs copies the CRDs and policies into both charts. A chart has to be whole by itself, and links will not do: Flux leaves them out of what
// it fetches from git, and the CRDs would be missing without a word.
func copyAPIs() error {
	for _, folder := range chartFolders {
		for _, kind := range []string{"crds", "policies"} {
			if err := copyFiles(kind, folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyObservability copies the alerts and the dashboard into the hub's chart.
func copyObservability() error { return copyFiles("observability", "deploy/charts/hub") }

// copyFiles copies a folder of deploy into the files of a chart.
func copyFiles(kind, chart string) error {
	paths, err := filepath.Glob(filepath.Join("deploy", kind, "*"))
	if err != nil {
		return err
	}
	files := map[string]string{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files[filepath.Base(path)] = string(data)
	}
	return replace(filepath.Join(chart, "files", kind), files)
}
