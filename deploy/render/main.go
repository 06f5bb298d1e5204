// SPDX-License-Identifier: Apache-2.0

// Command render writes what follows from the charts in deploy/charts: their copies of the CRDs, the policies and what watches a fleet, the plain manifests in deploy/hub and
// deploy/spoke, the OCM add-on in deploy/addon, and the tables of values. `make generate` runs it in the root of the module.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// header of a rendered file.
const header = "# SPDX-License-Identifier: Apache-2.0\n# Rendered from %s by `make generate`: change it there.\n"

func main() {
	for _, step := range []func() error{copyAPIs, copyObservability, writeManifests, writeAddon, writeReadmes} {
		if err := step(); err != nil {
			fmt.Fprintln(os.Stderr, "render:", err)
			os.Exit(1)
		}
	}
}

// replace writes files into a folder, and removes the YAML files there that are no longer made. Subfolders are left alone.
func replace(folder string, files map[string]string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	there, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range there {
		if _, made := files[filepath.Base(file)]; made {
			continue
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// replaceOne writes one file.
func replaceOne(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// headed puts the header before a rendered text.
func headed(origin, text string) string {
	return fmt.Sprintf(header, origin) + strings.TrimPrefix(text, "---\n")
}
