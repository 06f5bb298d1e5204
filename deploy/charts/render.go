// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"fmt"
	"path"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// Options of a rendering.
type Options struct {
	// Release is the name of the release, Namespace where it is installed.
	Release, Namespace string
	// Values are laid over the chart's own.
	Values map[string]any
	// Unchecked leaves the schema of the values aside, for a value that is filled in later.
	Unchecked bool
}

// Render is what `helm template` prints, with its comments, by the name of the template: "rbac.yaml". Templates that come out empty are left out.
// A value that the chart's schema refuses, or that is missing, is an error that names it.
func Render(dir string, o Options) (map[string]string, error) {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("load chart %s: %w", dir, err)
	}
	release := chartutil.ReleaseOptions{Name: o.Release, Namespace: o.Namespace, Revision: 1, IsInstall: true}
	values, err := chartutil.ToRenderValuesWithSchemaValidation(c, o.Values, release, chartutil.DefaultCapabilities, o.Unchecked)
	if err != nil {
		return nil, fmt.Errorf("values of chart %s: %w", dir, err)
	}
	rendered, err := engine.Render(c, values)
	if err != nil {
		return nil, fmt.Errorf("render chart %s: %w", dir, err)
	}
	out := map[string]string{}
	for name, text := range rendered {
		if text = strings.TrimSpace(text); text != "" && path.Ext(name) == ".yaml" {
			out[path.Base(name)] = text + "\n"
		}
	}
	return out, nil
}
