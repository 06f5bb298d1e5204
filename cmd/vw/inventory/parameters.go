// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Parameter of a template.
type Parameter struct {
	// Name in spec.parameters.
	Name string `json:"name"`
	// Type in JSON's terms, such as string or array of string; any when the schema does not say.
	Type string `json:"type"`
	// Required has to be said: the template fills in nothing.
	Required bool `json:"required"`
	// Default that the template fills in, as JSON; empty when it fills in nothing.
	Default string `json:"default,omitempty"`
	// Enum are the only values, as JSON.
	Enum []string `json:"enum,omitempty"`
	// Description for people, in one line.
	Description string `json:"description,omitempty"`
}

// property is the part of a JSON Schema that people are told.
type property struct {
	Type        any                 `json:"type"`
	Description string              `json:"description"`
	Enum        []json.RawMessage   `json:"enum"`
	Items       *property           `json:"items"`
	Properties  map[string]property `json:"properties"`
	Required    []string            `json:"required"`
}

// Parameters of a template: those that have to be said first, and by name.
func Parameters(spec *opsv1alpha1.OperationTemplateSpec) ([]Parameter, error) {
	var top property
	if err := decode(spec.InputSchema, &top); err != nil {
		return nil, fmt.Errorf("spec.inputSchema: %w", err)
	}
	var defaults map[string]json.RawMessage
	if err := decode(spec.Defaults, &defaults); err != nil {
		return nil, fmt.Errorf("spec.defaults: %w", err)
	}
	out := make([]Parameter, 0, len(top.Properties))
	for _, name := range slices.Sorted(maps.Keys(top.Properties)) {
		p := top.Properties[name]
		parameter := Parameter{Name: name, Type: p.kind(), Default: string(defaults[name]), Description: strings.Join(strings.Fields(p.Description), " ")}
		parameter.Required = slices.Contains(top.Required, name) && parameter.Default == ""
		for _, value := range p.Enum {
			parameter.Enum = append(parameter.Enum, string(value))
		}
		out = append(out, parameter)
	}
	slices.SortStableFunc(out, func(a, b Parameter) int { return cmp.Compare(rank(a), rank(b)) })
	return out, nil
}

func rank(p Parameter) int {
	if p.Required {
		return 0
	}
	return 1
}

func decode(raw *runtime.RawExtension, into any) error {
	if raw == nil || len(raw.Raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw.Raw, into)
}

// kind of a value, for people.
func (p *property) kind() string {
	switch t := p.Type.(type) {
	case string:
		if t == "array" && p.Items != nil {
			return "array of " + p.Items.kind()
		}
		return t
	case []any:
		var all []string
		for _, one := range t {
			all = append(all, fmt.Sprint(one))
		}
		return strings.Join(all, " or ")
	default:
		return "any"
	}
}

// Example is a command that runs a template on the clusters of a Placement, with what has to be said.
func Example(name string, parameters []Parameter) string {
	var b strings.Builder
	fmt.Fprintf(&b, "vw run %s --placement PLACEMENT", name)
	for _, p := range parameters {
		if p.Required {
			fmt.Fprintf(&b, " --set %s=%s", p.Name, strings.ToUpper(p.Name))
		}
	}
	return b.String()
}
