// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"vworkspace.io/fleet/deploy"
)

// Attempt is a value for one field of a spec, at a bound of what its schema allows or past it.
type Attempt struct {
	// Path of the field within the spec.
	Path []string
	// Value that it gets.
	Value any
	// Why, such as "longer than maxLength".
	Why string
}

func (a Attempt) String() string { return "spec." + strings.Join(a.Path, ".") + " " + a.Why }

// SchemaOf the spec of one of our kinds, by the plural of its name.
func SchemaOf(plural string) (*apiextensionsv1.JSONSchemaProps, error) {
	files, err := fs.Glob(deploy.Manifests, deploy.CRDs+"/*_"+plural+".yaml")
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("find the CRD of %s: there are %v", plural, files)
	}
	raw, err := deploy.Manifests.ReadFile(files[0])
	if err != nil {
		return nil, err
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		return nil, err
	}
	spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	return &spec, nil
}

// Attempts on every field of a schema.
func Attempts(schema *apiextensionsv1.JSONSchemaProps, path ...string) []Attempt {
	var all []Attempt
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		field := schema.Properties[name]
		at := append(slices.Clone(path), name)
		for _, v := range values(&field) {
			all = append(all, Attempt{at, v.value, v.why})
		}
		all = append(all, Attempts(&field, at...)...)
	}
	return all
}

type value struct {
	value any
	why   string
}

// values at the bounds of a schema and past them.
func values(s *apiextensionsv1.JSONSchemaProps) []value {
	all := []value{{nil, "is null"}}
	switch {
	case s.XIntOrString:
		all = append(all, value{int64(-1), "is negative"}, value{int64(0), "is zero"}, value{"nonsense", "is no number and no percentage"}, value{"1000%", "is more than all"})
	case s.Type == "string":
		all = append(all, value{"", "is empty"}, value{int64(7), "is a number"}, value{"nonsense", "is another word"}, value{"Ünï-cödé ☃", "is not ASCII"},
			value{"a\nb", "has two lines"})
		most := int64(70000)
		if s.MaxLength != nil {
			most = *s.MaxLength
			all = append(all, value{strings.Repeat("x", int(most)), "is as long as allowed"})
		}
		all = append(all, value{strings.Repeat("x", int(most)+1), "is longer than allowed"})
		for _, e := range s.Enum {
			all = append(all, value{strings.Trim(string(e.Raw), `"`), "is " + string(e.Raw)})
		}
	case s.Type == "integer":
		all = append(all, value{int64(-1), "is negative"}, value{int64(0), "is zero"}, value{int64(1) << 40, "is huge"}, value{"7", "is a string"}, value{1.5, "is a fraction"})
		if s.Maximum != nil {
			all = append(all, value{int64(*s.Maximum), "is as much as allowed"}, value{int64(*s.Maximum) + 1, "is more than allowed"})
		}
		if s.Minimum != nil {
			all = append(all, value{int64(*s.Minimum), "is as little as allowed"}, value{int64(*s.Minimum) - 1, "is less than allowed"})
		}
	case s.Type == "boolean":
		all = append(all, value{true, "is true"}, value{false, "is false"}, value{"true", "is a string"})
	case s.Type == "array":
		all = append(all, value{[]any{}, "is empty"}, value{"one", "is a string"}, value{[]any{nil}, "holds null"})
		if s.Items != nil && s.Items.Schema != nil {
			item := example(s.Items.Schema)
			all = append(all, value{[]any{item}, "holds one"}, value{[]any{item, item}, "holds one twice"})
			if s.MaxItems != nil && *s.MaxItems < 2000 {
				all = append(all, value{slices.Repeat([]any{item}, int(*s.MaxItems)+1), "holds more than allowed"})
			}
		}
	case s.Type == "object":
		all = append(all, value{map[string]any{}, "is empty"}, value{[]any{}, "is an array"}, value{map[string]any{"nonsense": "x"}, "has an unknown field"})
	}
	return all
}

// example is something that a schema may allow.
func example(s *apiextensionsv1.JSONSchemaProps) any {
	switch {
	case len(s.Enum) > 0:
		return strings.Trim(string(s.Enum[0].Raw), `"`)
	case s.Type == "object":
		o := map[string]any{}
		for _, name := range s.Required {
			field := s.Properties[name]
			o[name] = example(&field)
		}
		return o
	case s.Type == "array":
		return []any{}
	case s.Type == "integer":
		return int64(1)
	case s.Type == "boolean":
		return true
	}
	return "example"
}

// On is an object with the attempt made on it.
func (a Attempt) On(o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	raw, err := json.Marshal(o.Object)
	if err != nil {
		return nil, err
	}
	tried := &unstructured.Unstructured{}
	if err := json.Unmarshal(raw, &tried.Object); err != nil {
		return nil, err
	}
	fields := append([]string{"spec"}, a.Path...)
	for i := 1; i < len(fields)-1; i++ { // what the field is in may not be there, or not be an object
		if m, found, err := unstructured.NestedMap(tried.Object, fields[:i+1]...); !found || err != nil || m == nil {
			if err := unstructured.SetNestedMap(tried.Object, map[string]any{}, fields[:i+1]...); err != nil {
				return nil, err
			}
		}
	}
	return tried, unstructured.SetNestedField(tried.Object, a.Value, fields...)
}
