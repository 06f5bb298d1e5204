// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"vworkspace.io/fleet/deploy"
)

func TestTheTreeHoldsWhatIsGenerated(t *testing.T) {
	kinds, err := read(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../" + pageFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(page(kinds), string(got)); diff != "" {
		t.Errorf("run make generate (-generated +in the tree):\n%s", diff)
	}
	for _, crd := range kinds {
		if !slices.Contains(order, crd.Spec.Names.Kind) {
			t.Errorf("kind %s has no place in the order", crd.Spec.Names.Kind)
		}
	}
}

const crd = `
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {kind: Thing, plural: things, shortNames: [th]}
  versions:
    - name: v1
      schema:
        openAPIV3Schema:
          type: object
          description: Thing is a thing.
          properties:
            spec:
              type: object
              required: [size]
              x-kubernetes-validations:
                - {rule: self.size == oldSelf.size, message: "size is immutable: make another"}
                - {rule: self.size < 9}
              properties:
                size: {type: integer, minimum: 1, maximum: 8, description: "Size\nof it."}
                kind: {type: string, enum: [a, b], default: a}
                share: {x-kubernetes-int-or-string: true}
                names: {type: array, maxItems: 3, items: {type: string, maxLength: 5, pattern: "^a|b$"}}
                parts: {type: array, items: {type: object, properties: {lit: {type: boolean}}}}
                labels: {type: object, additionalProperties: {type: string}}
                until: {type: string, format: date-time}
            status:
              type: object
              properties:
                conditions: {type: array, items: {type: object, description: "Condition contains details", properties: {type: {type: string}}}}
`

func TestPage(t *testing.T) {
	kinds, err := read(fstest.MapFS{deploy.CRDs + "/things.yaml": {Data: []byte(crd)}})
	if err != nil {
		t.Fatal(err)
	}
	text := page(kinds)
	for _, want := range []string{
		"| [Thing](#thing) | `things`, `th` | in no namespace |\n", "`apiVersion: example.com/v1`. Thing is a thing.\n",
		"- Rule: `self.size < 9`.\n- Cannot be changed: `size` (make another).\n",
		"| `size` | whole number, 1 to 8 | required | size of it. |\n", "| `kind` | `a`, `b` | `a` |  |\n", "| `share` | whole number or percentage |  |  |\n",
		"| `names` | list of text, at most 5 characters, `^a\\|b$`, at most 3 |  |  |\n", "| `parts[].lit` | true or false |  |  |\n",
		"| `labels` | text by name |  |  |\n", "| `until` | time |  |  |\n", "| `conditions` | list of objects |  |  |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "conditions[]") {
		t.Errorf("the fields of conditions are Kubernetes':\n%s", text)
	}
}

func TestReadSaysWhichFileIsWrong(t *testing.T) {
	_, err := read(fstest.MapFS{deploy.CRDs + "/odd.yaml": {Data: []byte("nonsense: true")}})
	if err == nil || !strings.Contains(err.Error(), "crds/odd.yaml") {
		t.Error(err)
	}
}
