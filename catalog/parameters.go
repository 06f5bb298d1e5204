// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Bounds on parameters, so that a hostile document costs little: it travels in a ManifestWork of at most 500 KiB and is held in memory by every level.
const (
	// MaxParameters in bytes.
	MaxParameters = 128 << 10
	// MaxDepth of objects and lists within each other.
	MaxDepth = 32
)

// path of the parameters in an Operation.
func path() *field.Path { return field.NewPath("spec", "parameters") }

// Fill is the Operation's parameters with the defaults beneath: objects are merged, everything else is the Operation's where it says something, also
// null. The error names spec.parameters; it says that they are no JSON object, or too large, or too deep, and never repeats a value.
func Fill(parameters, defaults *runtime.RawExtension) (*runtime.RawExtension, *field.Error) {
	own, wrong := decode(parameters)
	if wrong != nil {
		return nil, wrong
	}
	base, wrong := decode(defaults)
	if wrong != nil {
		return nil, field.InternalError(path(), fmt.Errorf("the template's defaults: %s", wrong.Detail))
	}
	if len(base) == 0 {
		return parameters, nil
	}
	raw, err := json.Marshal(merge(base, own))
	if err != nil {
		return nil, field.InternalError(path(), err)
	}
	return &runtime.RawExtension{Raw: raw}, nil
}

// Filled is an Operation's parameters with the defaults that its run started with. What cannot be read is left as it is: it is rejected elsewhere.
func Filled(op *opsv1alpha1.Operation) *runtime.RawExtension {
	if op.Status.Template == nil {
		return op.Spec.Parameters
	}
	filled, wrong := Fill(op.Spec.Parameters, op.Status.Template.Defaults)
	if wrong != nil {
		return op.Spec.Parameters
	}
	return filled
}

func merge(base, over map[string]any) map[string]any {
	out := make(map[string]any, len(base)+len(over))
	for k, v := range base {
		out[k] = v
	}
	for k, v := range over {
		below, isObject := out[k].(map[string]any)
		above, alsoObject := v.(map[string]any)
		if isObject && alsoObject {
			v = merge(below, above)
		}
		out[k] = v
	}
	return out
}

// decode reads an object, with numbers as they are written. Nothing and null are an empty one.
func decode(raw *runtime.RawExtension) (map[string]any, *field.Error) {
	if raw == nil || len(bytes.TrimSpace(raw.Raw)) == 0 {
		return map[string]any{}, nil
	}
	if len(raw.Raw) > MaxParameters {
		return nil, field.TooLong(path(), "", MaxParameters)
	}
	if depth(raw.Raw) > MaxDepth {
		return nil, field.Invalid(path(), field.OmitValueType{}, fmt.Sprintf("objects and lists may be at most %d deep within each other", MaxDepth))
	}
	d := json.NewDecoder(bytes.NewReader(raw.Raw))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, field.Invalid(path(), field.OmitValueType{}, "cannot be read as JSON: "+err.Error())
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, field.Invalid(path(), field.OmitValueType{}, "must be one JSON object")
	}
	switch v := value.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return v, nil
	default:
		return nil, field.TypeInvalid(path(), field.OmitValueType{}, "must be an object that maps parameter names to values")
	}
}

// depth of the brackets of a JSON text, found without building anything from it.
func depth(raw []byte) int {
	deepest, now := 0, 0
	inString, escaped := false, false
	for _, c := range raw {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}
