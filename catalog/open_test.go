// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"strings"
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestValidateOpen: what an expression will become is not known yet, so that only what is wrong in any case is.
func TestValidateOpen(t *testing.T) {
	tmpl := template("t", opsv1alpha1.TypeRunCommand, opsv1alpha1.EngineJob, func(s *opsv1alpha1.OperationTemplateSpec) {
		s.InputSchema = raw(`{"type":"object","additionalProperties":false,"required":["image"],"$defs":{"short":{"maxLength":3}},"properties":{
			"image":{"type":"string","pattern":"^registry[.]example[.]com/"},
			"mode":{"enum":["fast","safe"]},
			"count":{"type":"integer","minimum":1},
			"short":{"$ref":"#/$defs/short"},
			"either":{"anyOf":[{"type":"integer"},{"type":"array","items":{"type":"integer"}}]},
			"list":{"type":"array","items":{"type":"string","maxLength":5},"minItems":2,"uniqueItems":true},
			"nested":{"type":"object","properties":{"deep":{"type":"string","maxLength":3}},"additionalProperties":false}},
			"if":{"properties":{"mode":{"const":"fast"}}},"then":{"required":["count"]},"else":{"required":["nested"]}}`)
	})
	for parameters, want := range map[string]string{
		`{"image":"${cluster.labels['image']}","mode":"safe","nested":{}}`: "",
		// It is not known which of the two is asked for.
		`{"image":"registry.example.com/a","mode":"${cluster.labels['mode']}"}`:                             "",
		`{"image":"registry.example.com/a","mode":"${cluster.labels['mode']}","count":"${cluster.x}"}`:      "",
		`{"mode":"${cluster.labels['mode']}"}`:                                                              "spec.parameters.image: Required value",
		`{"image":7,"mode":"${cluster.labels['mode']}"}`:                                                    "spec.parameters.image: Invalid value: must be of type string, not number",
		`{"image":"` + canary + `","mode":"${cluster.labels['mode']}"}`:                                     "spec.parameters.image: Invalid value: must match",
		`{"image":"registry.example.com/a","imgae":"${cluster.name}"}`:                                      "spec.parameters.imgae: Forbidden: unknown parameter",
		`{"image":"registry.example.com/a","mode":"${cluster.name}","short":"${cluster.name}"}`:             "",
		`{"image":"registry.example.com/a","mode":"${cluster.name}","short":"long"}`:                        "spec.parameters.short",
		`{"image":"registry.example.com/a","mode":"${cluster.name}","either":["${cluster.name}"]}`:          "",
		`{"image":"registry.example.com/a","mode":"${cluster.name}","either":"no"}`:                         "spec.parameters.either",
		`{"image":"registry.example.com/a","mode":"${cluster.name}","list":["${cluster.name}"]}`:            "spec.parameters.list: Invalid value: ",
		`{"image":"registry.example.com/a","list":["${cluster.name}","${cluster.name}"]}`:                   "",
		`{"image":"registry.example.com/a","mode":"${cluster.name}","list":["${cluster.name}","too long"]}`: "spec.parameters.list.1",
		`{"image":"registry.example.com/a","nested":"${cluster.name}"}`:                                     "",
		`{"image":"registry.example.com/a","nested":{"deep":"${cluster.name}","x":1}}`:                      "spec.parameters.nested.x: Forbidden",
	} {
		op := operation(opsv1alpha1.TypeRunCommand, opsv1alpha1.EngineJob, "")
		op.Spec.Parameters = raw(parameters)
		_, problem := new(Book).Follow(NewRequest(op, nil), []opsv1alpha1.OperationTemplate{tmpl})
		got := ""
		if problem != nil {
			got = problem.Message
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) || strings.Contains(got, canary) {
			t.Errorf("%s: it says %q, want %q", parameters, got, want)
		}
	}
}
