// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"encoding/json"
	"fmt"

	"helm.sh/helm/v3/pkg/strvals"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Set parameters by texts such as a.b=c, as helm's --set does: with the types that the template's schema says, and without a template with those that they
// look like.
func Set(t *opsv1alpha1.OperationTemplate, parameters map[string]any, said []string) error {
	var top *schema
	if t != nil {
		var err error
		if top, err = readSchema(t.Spec.InputSchema); err != nil {
			return fmt.Errorf("OperationTemplate %s: spec.inputSchema: %w", t.Name, err)
		}
	}
	for _, text := range said {
		if err := set(top, parameters, text); err != nil {
			return invalid("set", "%v", err)
		}
	}
	return nil
}

func set(s *schema, object map[string]any, text string) error {
	parsed := map[string]any{}
	if err := strvals.ParseInto(text, parsed); err != nil {
		return fmt.Errorf("%q is not KEY=VALUE: %w", text, err)
	}
	typed, err := coerce(s, parsed, "")
	if err != nil {
		return err
	}
	merge(object, typed.(map[string]any)) // it was one
	return nil
}

// coerce gives what was parsed the types of a schema: 1 is a text where one is wanted.
func coerce(s *schema, value any, at string) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			typed, err := coerce(s.property(name), inner, join(at, name))
			if err != nil {
				return nil, err
			}
			v[name] = typed
		}
		return v, nil
	case []any:
		for i, inner := range v {
			typed, err := coerce(s.item(), inner, fmt.Sprintf("%s[%d]", at, i))
			if err != nil {
				return nil, err
			}
			v[i] = typed
		}
		return v, nil
	case nil:
		return v, nil
	}
	if s.kind() == Anything || s.kind() == Object {
		return value, nil
	}
	text := fmt.Sprint(value)
	if s.kind() == List {
		item, err := scalar(s.item(), text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		return []any{item}, nil
	}
	typed, err := scalar(s, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return typed, nil
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// Merge more parameters over others: objects are merged, everything else is replaced.
func Merge(parameters, more map[string]any) { merge(parameters, more) }

func merge(base, over map[string]any) {
	for name, value := range over {
		inner, isObject := value.(map[string]any)
		if old, was := base[name].(map[string]any); was && isObject {
			merge(old, inner)
			continue
		}
		base[name] = value
	}
}

// raw JSON of parameters.
func raw(parameters map[string]any) (json.RawMessage, error) {
	data, err := json.Marshal(parameters)
	if err != nil {
		return nil, fmt.Errorf("write the parameters as JSON: %w", err)
	}
	return data, nil
}
