// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"strings"
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestFill(t *testing.T) {
	for name, c := range map[string]struct{ own, defaults, want, wrong string }{
		"nothing":           {"", "", "", ""},
		"defaults alone":    {"", `{"a":1}`, `{"a":1}`, ""},
		"own alone":         {`{"a":1}`, "", `{"a":1}`, ""},
		"own wins":          {`{"a":2}`, `{"a":1,"b":3}`, `{"a":2,"b":3}`, ""},
		"null wins":         {`{"a":null}`, `{"a":1}`, `{"a":null}`, ""},
		"objects merge":     {`{"r":{"x":1}}`, `{"r":{"x":0,"y":2}}`, `{"r":{"x":1,"y":2}}`, ""},
		"lists do not":      {`{"l":[1]}`, `{"l":[2,3]}`, `{"l":[1]}`, ""},
		"large numbers":     {`{"n":12345678901234567890}`, `{"a":1}`, `{"a":1,"n":12345678901234567890}`, ""},
		"no object":         {`[1]`, "", "", "must be an object"},
		"two of them":       {`{} {}`, "", "", "one JSON object"},
		"no JSON":           {`{"password":"hunter2"`, "", "", "cannot be read as JSON"},
		"too deep":          {strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), "", "", "at most 32 deep"},
		"brackets in text":  {`{"a":"` + strings.Repeat("[", 99) + `\"{"}`, "", `{"a":"` + strings.Repeat("[", 99) + `\"{"}`, ""},
		"too large":         {`{"a":"` + strings.Repeat("x", MaxParameters) + `"}`, "", "", "Too long"},
		"defaults are junk": {`{}`, `[]`, "", "the template's defaults"},
	} {
		t.Run(name, func(t *testing.T) {
			filled, wrong := Fill(raw(c.own), raw(c.defaults))
			switch {
			case c.wrong != "":
				if wrong == nil || !strings.Contains(wrong.Error(), c.wrong) || strings.Contains(wrong.Error(), "hunter2") {
					t.Errorf("it says %v, not %q", wrong, c.wrong)
				}
			case wrong != nil:
				t.Error(wrong)
			case string(filled.Raw) != c.want:
				t.Errorf("filled: %s, want %s", filled.Raw, c.want)
			}
		})
	}
}

// TestFilledTwice: a run fills in what it started with at every look, also in what was filled.
func TestFilledTwice(t *testing.T) {
	op := operation(opsv1alpha1.TypeBackup, "", "")
	op.Spec.Parameters = raw(`{"b":2}`)
	op.Status.Template = &opsv1alpha1.TemplateStatus{Defaults: raw(`{"a":1}`)}
	op.Spec.Parameters = Filled(op)
	if got := string(Filled(op).Raw); got != `{"a":1,"b":2}` {
		t.Errorf("filled twice: %s", got)
	}
}

// FuzzFill: whatever people send, it is filled or refused, and what is filled can be read again.
func FuzzFill(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,2,{"c":"d"}]}}`), []byte(`{"a":{"x":1}}`))
	f.Add([]byte(`[[[[`), []byte(`null`))
	f.Add([]byte("{\"\\u0000\":\"\xff\"}"), []byte(`{"a":1e999}`))
	f.Fuzz(func(t *testing.T, own, defaults []byte) {
		filled, wrong := Fill(raw(string(own)), raw(string(defaults)))
		if wrong != nil {
			return
		}
		if _, wrong := decode(filled); wrong != nil && len(filled.Raw) <= MaxParameters {
			t.Errorf("%q over %q became %q: %v", own, defaults, filled.Raw, wrong)
		}
	})
}
