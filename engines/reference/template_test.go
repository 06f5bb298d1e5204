// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"sigs.k8s.io/yaml"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
)

// TestBuiltInTemplates: each makes sense, and every type that an engine does has one.
func TestBuiltInTemplates(t *testing.T) {
	inRoot(t)
	entries, err := list()
	if err != nil {
		t.Fatal(err)
	}
	types := map[opsv1alpha1.OperationType]bool{}
	for _, e := range entries {
		files, err := e.templates()
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != len(e.types) {
			t.Errorf("%s has %d templates for %v", e.file(), len(files), e.types)
		}
		for file, content := range files {
			var template opsv1alpha1.OperationTemplate
			if err := yaml.UnmarshalStrict(content, &template); err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if _, errs := catalog.Compile(&template); len(errs) > 0 {
				t.Errorf("%s: %v", file, errs.ToAggregate())
			}
			types[template.Spec.Type] = true
		}
	}
	if len(types) != len(opsv1alpha1.OperationTypes()) {
		t.Errorf("only %v have a template", types)
	}
}
