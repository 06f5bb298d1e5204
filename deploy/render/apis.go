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
	for _, kind := range []string{"crds", "policies"} {
		files := map[string]string{}
		paths, err := filepath.Glob(filepath.Join("deploy", kind, "*.yaml"))
		if err != nil {
			return err
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files[filepath.Base(path)] = string(data)
		}
		for _, folder := range chartFolders {
			if err := replace(filepath.Join(folder, "files", kind), files); err != nil {
				return err
			}
		}
	}
	return nil
}
