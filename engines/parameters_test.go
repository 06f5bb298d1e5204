// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

type sample struct {
	Image string          `json:"image"`
	Count *int32          `json:"count,omitempty"`
	Env   []corev1.EnvVar `json:"env,omitempty"`
	On    bool            `json:"on,omitempty"`
	Tags  map[string]any  `json:"tags,omitempty"`
}

func decodeSample(raw string) (sample, error) {
	op := &opsv1alpha1.Operation{}
	if raw != "" {
		op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(raw)}
	}
	var s sample
	err := DecodeParameters(op, &s)
	return s, err
}

func TestDecodeParameters(t *testing.T) {
	for _, raw := range []string{"", "{}", "null", " {} "} {
		if got, err := decodeSample(raw); err != nil || !cmp.Equal(got, sample{}) {
			t.Errorf("%q: got %+v, %v; want nothing", raw, got, err)
		}
	}
	got, err := decodeSample(`{"image":"a","count":3,"env":[{"name":"A","value":"b"}],"tags":{"x":{"y":1}}}`)
	if err != nil {
		t.Fatal(err)
	}
	count := int32(3)
	want := sample{Image: "a", Count: &count, Env: []corev1.EnvVar{{Name: "A", Value: "b"}}, Tags: map[string]any{"x": map[string]any{"y": int64(1)}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeParametersNamesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want []string
	}{
		"list":            {`["a"]`, []string{"spec.parameters:", "must be an object"}},
		"string":          {`"a"`, []string{"spec.parameters:", "must be an object"}},
		"unknown":         {`{"imge":"a"}`, []string{"spec.parameters.imge:", "known are count, env, image, on, tags"}},
		"unknown nested":  {`{"env":[{"name":"A"},{"nme":"B"}]}`, []string{"spec.parameters.env[1].nme:", "unknown field"}},
		"other case":      {`{"Image":"a"}`, []string{"spec.parameters.Image:"}},
		"two at once":     {`{"a":1,"b":2}`, []string{"spec.parameters.a:", "spec.parameters.b:"}},
		"twice":           {`{"image":"a","image":"b"}`, []string{"spec.parameters.image:", "Duplicate"}},
		"number wanted":   {`{"count":"3"}`, []string{"spec.parameters.count:", "must be a whole number, not a string"}},
		"fraction":        {`{"count":1.5}`, []string{"spec.parameters.count:", "must be a whole number, not a number"}},
		"string wanted":   {`{"image":3}`, []string{"spec.parameters.image:", "must be a string, not a number"}},
		"list wanted":     {`{"env":{"A":"b"}}`, []string{"spec.parameters.env:", "must be a list, not an object"}},
		"nested type":     {`{"env":[{"name":"A","value":5}]}`, []string{"spec.parameters.env.value:", "must be a string, not a number"}},
		"bool wanted":     {`{"on":"yes"}`, []string{"spec.parameters.on:", "must be true or false, not a string"}},
		"object wanted":   {`{"tags":"x"}`, []string{"spec.parameters.tags:", "must be an object, not a string"}},
		"broken":          {`{"image":`, []string{"spec.parameters"}},
		"no value leaked": {`{"count":"hunter2"}`, []string{"spec.parameters.count:"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decodeSample(c.raw)
			var invalid *InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("got %v, want an InvalidError", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q repeats a value that may be a secret", err)
			}
		})
	}
}
