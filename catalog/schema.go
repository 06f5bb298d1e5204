// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxComplaints is how many fields one message names at most.
const maxComplaints = 8

// schemaAddress is what a template's schema is compiled as. Nothing is there: a schema that refers elsewhere does not compile.
const schemaAddress = "template:///inputSchema"

// noLoader refuses every document but the template's own and the metaschemas, which the library holds.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a schema cannot refer to another document, such as %s: copy what it needs into $defs", url)
}

// compileSchema reads a JSON Schema of draft 2020-12; nil when there is none. Patterns are of Go's engine, whose time is linear in the text.
func compileSchema(raw *runtime.RawExtension) (*jsonschema.Schema, error) {
	if raw == nil || len(raw.Raw) == 0 {
		return nil, nil
	}
	if depth(raw.Raw) > 2*MaxDepth {
		return nil, fmt.Errorf("objects and lists may be at most %d deep within each other", 2*MaxDepth)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw.Raw))
	if err != nil {
		return nil, fmt.Errorf("cannot be read as JSON: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(noLoader{})
	if err := compiler.AddResource(schemaAddress, document); err != nil {
		return nil, err
	}
	schema, err := compiler.Compile(schemaAddress)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), schemaAddress, "inputSchema"))
	}
	if schema.DraftVersion != 2020 {
		return nil, errors.New(`must be of draft 2020-12: leave $schema out, or say "https://json-schema.org/draft/2020-12/schema"`)
	}
	return schema, nil
}

// complain says what a schema has against parameters: one error for each place, never with a value, which may be a secret in the wrong place.
func complain(schema *jsonschema.Schema, parameters *runtime.RawExtension, open [][]string) field.ErrorList {
	if schema == nil {
		return nil
	}
	if _, wrong := decode(parameters); wrong != nil {
		return field.ErrorList{wrong}
	}
	raw := []byte("{}")
	if parameters != nil && len(bytes.TrimSpace(parameters.Raw)) > 0 && !bytes.Equal(bytes.TrimSpace(parameters.Raw), []byte("null")) {
		raw = parameters.Raw
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return field.ErrorList{field.Invalid(path(), field.OmitValueType{}, "cannot be read as JSON: "+err.Error())}
	}
	err = schema.Validate(withoutNulls(value))
	var wrong *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &wrong):
		return field.ErrorList{field.InternalError(path(), err)}
	}
	known := slices.Sorted(maps.Keys(schema.Properties))
	var errs field.ErrorList
	for _, leaf := range certain(wrong, open) {
		for _, e := range explain(leaf, known) {
			if !slices.ContainsFunc(errs, func(o *field.Error) bool { return o.Error() == e.Error() }) && len(errs) < maxComplaints {
				errs = append(errs, e)
			}
		}
	}
	return errs
}

// withoutNulls is an object without what is null at its top: engines take a parameter that is null for one that was left out.
func withoutNulls(value any) any {
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	kept := make(map[string]any, len(object))
	for name, v := range object {
		if v != nil {
			kept[name] = v
		}
	}
	return kept
}

// leaves are the errors that have no deeper cause.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var out []*jsonschema.ValidationError
	for _, c := range e.Causes {
		out = append(out, leaves(c)...)
	}
	return out
}

// explain says one error in our words; known are the names at the top.
func explain(e *jsonschema.ValidationError, known []string) field.ErrorList {
	at := locate(e.InstanceLocation)
	invalid := func(format string, args ...any) field.ErrorList {
		return field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf(format, args...))}
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		var errs field.ErrorList
		for _, name := range k.Missing {
			errs = append(errs, field.Required(at.Child(name), "the template asks for it"))
		}
		return errs
	case *kind.AdditionalProperties:
		detail := "unknown field: check the spelling, or leave it out"
		if len(e.InstanceLocation) == 0 {
			detail = "unknown parameter: known are " + strings.Join(known, ", ")
		}
		var errs field.ErrorList
		for _, name := range k.Properties {
			errs = append(errs, field.Forbidden(at.Child(name), detail))
		}
		return errs
	case *kind.Type:
		return field.ErrorList{field.TypeInvalid(at, field.OmitValueType{}, fmt.Sprintf("must be of type %s, not %s", strings.Join(k.Want, " or "), k.Got))}
	case *kind.Enum:
		return invalid("must be one of %s", options(k.Want))
	case *kind.Const:
		return invalid("must be %s", options([]any{k.Want}))
	case *kind.Pattern:
		return invalid("must match %s", k.Want)
	case *kind.Format:
		return invalid("must be a %s", k.Want)
	case *kind.PropertyNames:
		return invalid("the name of one of its fields is not allowed")
	case *kind.FalseSchema, *kind.Not:
		return invalid("the template does not allow it")
	}
	if bound := boundOf(e.ErrorKind); bound != "" {
		return invalid("must be %s", bound)
	}
	return invalid("%s", e.ErrorKind.LocalizedString(message.NewPrinter(language.English)))
}

// boundOf a number, without the number that is out of bounds, which the library's own words repeat.
func boundOf(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Minimum:
		return "at least " + number(k.Want)
	case *kind.Maximum:
		return "at most " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "more than " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "less than " + number(k.Want)
	case *kind.MultipleOf:
		return "a multiple of " + number(k.Want)
	}
	return ""
}

// number as people write it.
func number(n *big.Rat) string {
	f, _ := n.Float64()
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// locate a place within the parameters.
func locate(tokens []string) *field.Path {
	at := path()
	for _, t := range tokens {
		at = at.Child(t)
	}
	return at
}

// options are the values that a schema allows, as JSON. They are the template's, not the requester's.
func options(values []any) string {
	words := make([]string, 0, len(values))
	for _, v := range values {
		raw, err := json.Marshal(v)
		if err != nil {
			continue
		}
		words = append(words, string(raw))
	}
	return strings.Join(words, ", ")
}
