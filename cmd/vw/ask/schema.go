// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Kind of a parameter, in JSON's terms.
type Kind string

// Kinds. What a schema says nothing simple about is Anything: it is given as JSON or YAML.
const (
	String   Kind = "string"
	Integer  Kind = "integer"
	Number   Kind = "number"
	Boolean  Kind = "boolean"
	List     Kind = "array"
	Object   Kind = "object"
	Anything Kind = ""
)

// Parameter of a template, as people may say it.
type Parameter struct {
	// Name in spec.parameters, and Flag, which is the same in small letters; with a prefix where another flag has that name.
	Name, Flag string
	// Kind of its value, and Item, that of a list's items.
	Kind, Item Kind
	// Enum are the only values, or the only items; empty when there are others.
	Enum []string
	// Usage is its description, in one line.
	Usage string
	// Default that the template fills in, as JSON; empty when it fills in nothing.
	Default string
	// Required tells that it has to be said, because the template fills in nothing.
	Required bool

	schema *schema
}

// schema is the part of a JSON Schema that says how a value is written. All of it is checked by the catalog.
type schema struct {
	Type                 json.RawMessage    `json:"type"`
	Description          string             `json:"description"`
	Ref                  string             `json:"$ref"`
	Defs                 map[string]*schema `json:"$defs"`
	Enum                 []any              `json:"enum"`
	Items                *schema            `json:"items"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties json.RawMessage    `json:"additionalProperties"`
	Required             []string           `json:"required"`

	root *schema
}

// kind is the first of its types that is not null.
func (s *schema) kind() Kind {
	if s == nil {
		return Anything
	}
	var one Kind
	var several []Kind
	if json.Unmarshal(s.Type, &one) != nil && json.Unmarshal(s.Type, &several) == nil {
		if i := slices.IndexFunc(several, func(k Kind) bool { return k != "null" }); i >= 0 {
			one = several[i]
		}
	}
	switch {
	case slices.Contains([]Kind{String, Integer, Number, Boolean, List, Object}, one):
		return one
	case len(s.Properties) > 0:
		return Object
	case len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(v any) bool { _, ok := v.(string); return !ok }):
		return String
	}
	return Anything
}

// property of an object; nil when nothing is known of it.
func (s *schema) property(name string) *schema {
	if s == nil {
		return nil
	}
	if p := s.Properties[name]; p != nil {
		return p.below(s.root)
	}
	return s.others()
}

// others are an object's properties that have no schema of their own; nil when nothing is known of them.
func (s *schema) others() *schema {
	var others schema
	if s == nil || len(s.AdditionalProperties) == 0 || json.Unmarshal(s.AdditionalProperties, &others) != nil {
		return nil
	}
	return others.below(s.root)
}

// item of a list; nil when nothing is known of it.
func (s *schema) item() *schema {
	if s == nil {
		return nil
	}
	return s.Items.below(s.root)
}

// below is a schema within a document, with what it refers to in the document's $defs.
func (s *schema) below(root *schema) *schema {
	if s == nil {
		return nil
	}
	found := *s
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok && root.Defs[name] != nil {
		found = *root.Defs[name]
		found.Ref = ""
		if s.Description != "" {
			found.Description = s.Description
		}
	}
	found.root = root
	return &found
}

// readSchema of a template; nil when it has none.
func readSchema(raw *runtime.RawExtension) (*schema, error) {
	if raw == nil || len(bytes.TrimSpace(raw.Raw)) == 0 {
		return nil, nil
	}
	root := &schema{}
	if err := json.Unmarshal(raw.Raw, root); err != nil {
		return nil, err
	}
	root.root = root
	return root.below(root), nil
}

// Parameters that a template takes: those that it needs first, and by name. taken tells whether a flag has a meaning already.
func Parameters(t *opsv1alpha1.OperationTemplate, taken func(flag string) bool) ([]Parameter, error) {
	top, err := readSchema(t.Spec.InputSchema)
	if err != nil {
		return nil, fmt.Errorf("OperationTemplate %s: spec.inputSchema: %w", t.Name, err)
	}
	if top == nil {
		return nil, nil
	}
	defaults := map[string]json.RawMessage{}
	if raw := t.Spec.Defaults; raw != nil && len(raw.Raw) > 0 {
		if err := json.Unmarshal(raw.Raw, &defaults); err != nil {
			return nil, fmt.Errorf("OperationTemplate %s: spec.defaults: %w", t.Name, err)
		}
	}
	all := make([]Parameter, 0, len(top.Properties))
	for _, name := range slices.Sorted(maps.Keys(top.Properties)) {
		s := top.property(name)
		p := Parameter{Name: name, Flag: kebab(name), Kind: s.kind(), Usage: oneLine(s.Description), schema: s}
		if taken(p.Flag) {
			p.Flag = collisionPrefix + p.Flag
		}
		values := s.Enum
		if p.Kind == List {
			item := s.item()
			p.Item = item.kind()
			if item != nil {
				values = item.Enum
			}
		}
		p.Enum = texts(values)
		if value, ok := defaults[name]; ok {
			p.Default = string(value)
		}
		p.Required = slices.Contains(top.Required, name) && p.Default == ""
		all = append(all, p)
	}
	slices.SortStableFunc(all, func(a, b Parameter) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
	return all, nil
}

// oneLine of a description, without the backquotes that a usage would take for the name of the value.
func oneLine(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "`", "'")
}

func texts(values []any) []string {
	var all []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			all = append(all, s)
			continue
		}
		raw, _ := json.Marshal(v) // it was JSON
		all = append(all, string(raw))
	}
	return all
}
