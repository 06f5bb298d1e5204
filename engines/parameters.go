// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// ParametersPath is where an engine's parameters live; errors name their fields from here on.
func ParametersPath() *field.Path { return field.NewPath("spec", "parameters") }

// DecodeParameters fills into, a pointer to a struct with json tags, from spec.parameters. Nothing is guessed or ignored: a name that the
// struct does not have and a value of the wrong type are an *InvalidError that names the path. Names are case-sensitive.
// Parameters that are left out are an empty object. The Common ones are checked here, once for all engines, and kept from them.
func DecodeParameters(op *opsv1alpha1.Operation, into any) error {
	if _, err := CommonParameters(op); err != nil {
		return err
	}
	raw, err := rawParameters(op)
	if err != nil || raw == nil {
		return err
	}
	strict, err := kjson.UnmarshalStrict(raw, into)
	if err != nil {
		return Invalid(decodeError(err))
	}
	errs := make([]*field.Error, 0, len(strict))
	for _, e := range strict {
		if wrong := strictError(e, into); wrong != nil {
			errs = append(errs, wrong)
		}
	}
	return Invalid(errs...)
}

// rawParameters are spec.parameters as a JSON object, nil when they are left out.
func rawParameters(op *opsv1alpha1.Operation) ([]byte, error) {
	if op.Spec.Parameters == nil {
		return nil, nil
	}
	raw, err := op.Spec.Parameters.MarshalJSON()
	if err != nil {
		return nil, Invalid(field.Invalid(ParametersPath(), nil, "cannot be read as JSON: "+err.Error()))
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, Invalid(field.TypeInvalid(ParametersPath(), jsonValue(raw), "must be an object that maps parameter names to values"))
	}
	return raw, nil
}

// strictError explains an unknown or a repeated name. It is nil for one that is unknown to the engine only.
func strictError(err error, into any) *field.Error {
	var named kjson.FieldError
	if !errors.As(err, &named) {
		return field.Invalid(ParametersPath(), nil, err.Error())
	}
	path := ParametersPath().Child(named.FieldPath())
	if strings.HasPrefix(err.Error(), "duplicate") {
		return field.Duplicate(path, named.FieldPath())
	}
	if isCommon(named.FieldPath()) {
		return nil
	}
	detail := "unknown field: check the spelling, or leave it out"
	if !strings.ContainsAny(named.FieldPath(), ".[") {
		detail = "unknown parameter: known are " + strings.Join(jsonNames(reflect.TypeOf(into).Elem()), ", ")
	}
	return field.Forbidden(path, detail)
}

// decodeError explains a value of the wrong type. It never repeats the value: it may be a secret in the wrong place.
func decodeError(err error) *field.Error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return field.Invalid(ParametersPath(), nil, err.Error())
	}
	path := ParametersPath()
	if wrong.Field != "" {
		path = path.Child(wrong.Field)
	}
	got, _, _ := strings.Cut(wrong.Value, " ")
	return field.TypeInvalid(path, field.OmitValueType{}, fmt.Sprintf("must be %s, not %s", typeName(wrong.Type), article(got)))
}

// typeName is the JSON type that a Go type is written as.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	default:
		return "of type " + t.String()
	}
}

func article(jsonType string) string {
	switch jsonType {
	case "object", "array":
		return "an " + jsonType
	default:
		return "a " + jsonType
	}
}

// jsonNames of the fields of a struct, sorted.
func jsonNames(t reflect.Type) []string {
	names := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// jsonValue shows a scalar in an error, and says no more than its kind about anything longer.
func jsonValue(raw []byte) any {
	if raw[0] == '[' {
		return "a list"
	}
	return field.OmitValueType{}
}
