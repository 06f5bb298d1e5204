// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// all are the charts of this folder.
var all = []string{"hub", "spoke"}

// cases runs a test for every file of values in testdata.
func cases(t *testing.T, test func(t *testing.T, chart string, values map[string]any)) {
	for _, chart := range all {
		files, err := filepath.Glob(filepath.Join("testdata", chart, "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no values for chart %s: %v", chart, err)
		}
		for _, file := range files {
			t.Run(chart+"/"+strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
				test(t, chart, readValues(t, file))
			})
		}
	}
}

func readValues(t *testing.T, file string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parseValues(t, string(data))
}

func parseValues(t *testing.T, text string) map[string]any {
	t.Helper()
	values := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// smallest are the values that a chart cannot do without.
func smallest(t *testing.T, chart string) map[string]any {
	t.Helper()
	return readValues(t, filepath.Join("testdata", chart, "smallest.yaml"))
}

// rendered are the YAML documents of a chart, in order of their templates' names.
func rendered(t *testing.T, chart string, values map[string]any) []string {
	t.Helper()
	files, err := Render(chart, Options{Release: "fleet", Namespace: "fleet-system", Values: values})
	if err != nil {
		t.Fatal(err)
	}
	var documents []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for document := range strings.SplitSeq("\n"+files[name], "\n---\n") {
			if strings.TrimSpace(document) != "" {
				documents = append(documents, document)
			}
		}
	}
	return documents
}
