// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func raw(s string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(s)} }

// TestPaths: which values a path means.
func TestPaths(t *testing.T) {
	const parameters = `{
		"password": "top-1234",
		"env": [{"name": "A", "value": "in-a-list"}, {"name": "BB", "value": "second"}, {"value": 123456}],
		"nested": {"deep": {"er": ["one-of-many", "abc", true, null]}},
		"annotations": {"example.com/key.part": "dotted-name"},
		"plain": "visible"
	}`
	for _, c := range []struct {
		path   string
		hidden []string
	}{
		{"password", []string{"top-1234"}},
		{"env.value", []string{"in-a-list", "second"}},
		{"env", []string{"in-a-list", "second"}}, // what has fewer than four characters is in every text
		{"nested", []string{"one-of-many"}},
		{"nested.deep.er", []string{"one-of-many"}},
		{"annotations.example.com/key.part", []string{"dotted-name"}},
		{"nested.deep.er.0", nil},
		{"nested.deep.", nil},
		{"password.more", nil},
		{"pass", nil},
		{".password", nil},
		{"", nil},
		{"nonesuch", nil},
	} {
		var paths []string
		if c.path != "" {
			paths = []string{c.path}
		}
		r := New(paths, raw(parameters))
		const all = "top-1234 in-a-list second one-of-many dotted-name visible 123456 abc true A BB"
		want := all
		for _, h := range c.hidden {
			want = strings.ReplaceAll(want, h, "***")
		}
		if got := r.Text(all); got != want {
			t.Errorf("%q: %s, want %s", c.path, got, want)
		}
	}
}

// TestShapes: a value is found in the shapes that messages give it.
func TestShapes(t *testing.T) {
	const secret = "pä$$ <\"w\\rd\">\nline two"
	r := New([]string{"p"}, raw(`{"p":`+quote(t, secret)+`}`))
	for name, text := range map[string]string{
		"plain":         "failed: " + secret,
		"Go's quotes":   fmt.Sprintf("Invalid value: %q", secret),
		"JSON":          "payload " + quote(t, secret),
		"one line":      "said pä$$ <\"w\\rd\"> line two",
		"a query":       "GET /?p=" + url.QueryEscape(secret),
		"as in Secrets": "data: cMOkJCQgPCJ3XHJkIj4KbGluZSB0d28=",
	} {
		got := r.Text(text)
		if !strings.Contains(got, "***") || strings.Contains(got, "line") || strings.Contains(got, "cMOk") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func quote(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestText: what overlaps, what is cut, and what a mark would make anew.
func TestText(t *testing.T) {
	for name, c := range map[string]struct{ values, text, want string }{
		"twice":                        {`["hunter22"]`, "hunter22hunter22, hunter22", "***, ***"},
		"the longer of two":            {`["hunter","hunter22"]`, "hunter22 hunter", "*** ***"},
		"overlapping":                  {`["abcd1234","1234wxyz"]`, "abcd1234wxyz", "***"},
		"cut at the end":               {`["hunter22-and-more"]`, "said hunter22...", "said ***..."},
		"cut at the end, in a message": {`["hunter22-and-more"]`, "said hunter22...; 2 of 3 failed", "said ***...; 2 of 3 failed"},
		"cut at the beginning":         {`["hunter22-and-more"]`, "pod x: ...-and-more of it", "pod x: ...*** of it"},
		"a little of it":               {`["hunter22-and-more"]`, "said hun...", "said hun..."},
		"a word that begins alike":     {`["hunter22-and-more"]`, "hunter...", "***..."},
		"a mark in it":                 {`["a***","four"]`, "aafour", "***"},
		"nothing":                      {`["hunter22"]`, "all is well...", "all is well..."},
	} {
		if got := New([]string{"v"}, raw(`{"v":`+c.values+`}`)).Text(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestStatus: canaries in everything that a status says, from the parameters and from the template's defaults.
func TestStatus(t *testing.T) {
	const canary, other = "canary-4711", "canary-by-default"
	op := &opsv1alpha1.Operation{}
	op.Spec.Parameters = raw(`{"env":[{"name":"A","value":"` + canary + `"}]}`)
	op.Status.Template = &opsv1alpha1.TemplateStatus{Redact: []string{"env.value", "token"}, Defaults: raw(`{"token":"` + other + `"}`)}
	words := "it said " + canary + " and " + other
	r := Of(op)
	said := opsv1alpha1.OperationStatus{
		Message: words, Progress: canary, Reason: "Kept",
		Conditions: []metav1.Condition{{Message: words}}, History: []opsv1alpha1.Transition{{Message: words}},
		Failures: []opsv1alpha1.Failure{{Name: "kept", Message: words}}, Verdict: &opsv1alpha1.Verdict{Message: words},
		Preparations: []opsv1alpha1.Preparation{{Message: words, Settings: map[string]string{"how": "kept"}}},
		Resources:    []opsv1alpha1.ResourceRef{{Name: "kept"}},
	}
	r.Status(&said)
	text := quote(t, said)
	if strings.Contains(text, canary) || strings.Contains(text, other) || strings.Count(text, "***") != 13 || strings.Count(text, "ept") != 4 {
		t.Errorf("%s", text)
	}
	again := *said.DeepCopy()
	if r.Status(&again); !cmp.Equal(again, said) {
		t.Errorf("hiding twice is not hiding once: it would be written again and again\n%s", cmp.Diff(said, again))
	}
	if got := r.Outputs(map[string]string{"a": canary, "b": "kept"}); !cmp.Equal(got, map[string]string{"a": "***", "b": "kept"}) {
		t.Errorf("outputs: %v", got)
	}
	if err := r.Error(errors.New(words)); strings.Contains(err.Error(), canary) {
		t.Error(err)
	}
	if harmless := errors.New("harmless"); !errors.Is(r.Error(harmless), harmless) || r.Error(nil) != nil {
		t.Error("an error that says nothing hidden is another one")
	}
}

// TestNothingToHide: no template, no paths, parameters that nobody can read.
func TestNothingToHide(t *testing.T) {
	op := &opsv1alpha1.Operation{}
	for _, r := range []Redaction{{}, Of(op), New(nil, raw(`{"a":"hunter22"}`)), New([]string{"a"}, nil, raw(`{"a":`), raw(`[]`))} {
		if got := r.Text("hunter22"); got != "hunter22" {
			t.Error(got)
		}
	}
}

// FuzzRedaction: whatever the parameters, the path and the text are, nothing hidden is left in it, it does not grow, and hiding is final.
func FuzzRedaction(f *testing.F) {
	f.Add(`{"a":{"b":["hunter22",{"c":"four"}]}}`, "a.b", "say hunter22 and ...ter22 or four...")
	f.Add(`{"a.b":"****","a":{"b":"a***"}}`, "a.b", "aa****")
	f.Add(`{"a":"\u00e4\u00f6\u00fc\u00df"}`, "a", "äöüß...")
	f.Add(`[[[["deep"]]]]`, "", "deep")
	f.Fuzz(func(t *testing.T, parameters, path, text string) {
		r := New([]string{path}, raw(parameters))
		got := r.Text(text)
		if len(got) > len(text) {
			t.Errorf("%q grew to %q", text, got)
		}
		for _, h := range r.hidden {
			if strings.Contains(got, h) {
				t.Errorf("%q has %q", got, h)
			}
		}
		if again := r.Text(got); again != got {
			t.Errorf("%q became %q", got, again)
		}
		if narrowed := r.in(text).Text(text); narrowed != got {
			t.Errorf("with what it needs alone: %q, with all: %q", narrowed, got)
		}
	})
}
