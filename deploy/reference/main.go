// SPDX-License-Identifier: Apache-2.0

// Reference writes down the kinds of the APIs, field by field, from the CRDs in deploy/crds, which are made from the types in api/. `make generate` runs it in the
// root of the module.
package main

import (
	"fmt"
	"io/fs"
	"os"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"vworkspace.io/fleet/deploy"
)

const pageFile = "docs/reference/api.md"

func main() {
	kinds, err := read(deploy.Manifests)
	if err == nil {
		err = os.WriteFile(pageFile, []byte(page(kinds)), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reference of the APIs:", err)
		os.Exit(1)
	}
}

// read the CRDs.
func read(manifests fs.FS) ([]apiextensionsv1.CustomResourceDefinition, error) {
	files, err := fs.Glob(manifests, deploy.CRDs+"/*.yaml")
	if err != nil {
		return nil, err
	}
	var all []apiextensionsv1.CustomResourceDefinition
	for _, file := range files {
		data, err := fs.ReadFile(manifests, file)
		if err != nil {
			return nil, err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(data, &crd); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, crd)
	}
	return all, nil
}
