// SPDX-License-Identifier: Apache-2.0

package main

import (
	"vworkspace.io/fleet/deploy/charts"
)

// without leaves out what deploy/crds and deploy/policies hold.
var without = map[string]any{"install": false}

// writeManifests renders the charts into deploy/hub, deploy/controlplane and deploy/spoke, for those who install without Helm. The image is an example: there is
// no registry that everybody reaches.
func writeManifests() error {
	for _, m := range []struct {
		chart, folder string
		only          string // file; all of them where it is empty
		charts.Options
	}{
		{"deploy/charts/hub", "deploy/hub", "", charts.Options{Release: "vworkspace-hub", Namespace: "vworkspace-hub", Values: map[string]any{
			"image":             map[string]any{"repository": "registry.example.com/vworkspace-fleet/hub"},
			"namespace":         map[string]any{"create": true},
			"platformNamespace": map[string]any{"create": true},
			"crds":              without, "policies": without,
		}}},
		{"deploy/charts/hub", "deploy/controlplane", "controlplane.yaml", charts.Options{Release: "vworkspace-hub", Namespace: "vworkspace-hub", Values: map[string]any{
			"image":        map[string]any{"repository": "registry.example.com/vworkspace-fleet/hub"},
			"controlPlane": map[string]any{"enabled": true, "catalog": true},
			"crds":         without, "policies": without,
		}}},
		{"deploy/charts/spoke", "deploy/spoke", "", charts.Options{Release: "vworkspace-agent", Namespace: "vworkspace-agent", Values: map[string]any{
			"image":     map[string]any{"repository": "registry.example.com/vworkspace-fleet/spoke"},
			"namespace": map[string]any{"create": true},
			"crds":      without, "policies": without,
		}}},
	} {
		files, err := charts.Render(m.chart, m.Options)
		if err != nil {
			return err
		}
		for name, text := range files {
			if m.only != "" && name != m.only {
				delete(files, name)
				continue
			}
			files[name] = headed(m.chart+"/templates/"+name, text)
		}
		if err := replace(m.folder, files); err != nil {
			return err
		}
	}
	return nil
}
