// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

// entriesOf the module, each with a validator that was compiled from the file in the tree.
func entriesOf(t *testing.T) map[*entry]*validator.Schema {
	t.Helper()
	inRoot(t)
	entries, err := list()
	if err != nil {
		t.Fatal(err)
	}
	compiled := make(map[*entry]*validator.Schema, len(entries))
	compiler := validator.NewCompiler()
	for _, e := range entries {
		if compiled[e], err = compiler.Compile(e.file()); err != nil {
			t.Fatal(err)
		}
	}
	return compiled
}

// refuses tells whether the schema refuses the parameters. No parameters at all are an empty object.
func refuses(t testing.TB, schema *validator.Schema, raw []byte) bool {
	t.Helper()
	if len(raw) == 0 || string(raw) == "null" {
		raw = []byte("{}")
	}
	value, err := validator.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return schema.Validate(value) != nil
}

// TestNoSchemaIsStricterThanItsEngine holds every golden case of the engines against the schemas: what a schema refuses, the engine calls
// Invalid.
func TestNoSchemaIsStricterThanItsEngine(t *testing.T) {
	for e, schema := range entriesOf(t) {
		cases, err := filepath.Glob(filepath.Join("engines", strings.ToLower(string(e.engine.Name())), "testdata", "*", "operation.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		accepted, refused := 0, 0
		for _, file := range cases {
			folder := filepath.Dir(file)
			op, kind := golden(t, folder)
			if !slices.Contains(e.types, op.Spec.Type) {
				continue
			}
			if !refuses(t, schema, rawParameters(op)) {
				accepted++
				continue
			}
			refused++
			if kind != "Invalid" {
				t.Errorf("%s refuses the parameters of %s, of which the engine says %q", e.file(), folder, kind)
			}
		}
		t.Logf("%s: %d golden cases accepted, %d refused", e.file(), accepted, refused)
		if accepted == 0 || refused == 0 {
			t.Errorf("%s: of its golden cases %d are accepted and %d refused, so that this test says nothing", e.file(), accepted, refused)
		}
	}
}

// golden is the Operation of a case, and the kind of error that its Plan ends with; empty when there is a plan.
func golden(t testing.TB, folder string) (*opsv1alpha1.Operation, string) {
	t.Helper()
	objects := enginetest.ReadObjects(t, filepath.Join(folder, "operation.yaml"))
	op, ok := objects[0].(*opsv1alpha1.Operation)
	if !ok {
		t.Fatalf("%s begins with %T, not with an Operation", folder, objects[0])
	}
	raw, err := os.ReadFile(filepath.Join(folder, "plan.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var plan struct {
		Error struct{ Kind string }
	}
	if err := yaml.Unmarshal(raw, &plan); err != nil {
		t.Fatal(err)
	}
	return op, plan.Error.Kind
}

func rawParameters(op *opsv1alpha1.Operation) []byte {
	if op.Spec.Parameters == nil {
		return nil
	}
	return op.Spec.Parameters.Raw
}

// TestEngineAndSchemaRefuseTheSame asks the engine about every rule of its schema: it must refuse what is just outside the rule, and must not
// mind what is just inside.
func TestEngineAndSchemaRefuseTheSame(t *testing.T) {
	for e, schema := range entriesOf(t) {
		t.Run(strings.TrimPrefix(e.file(), schemaFolder+"/"), func(t *testing.T) {
			for _, probe := range probes(e.schema, nil) {
				raw, err := json.Marshal(probe.parameters())
				if err != nil {
					t.Fatal(err)
				}
				errs := complaints(t, e, raw)
				if probe.fine {
					for _, err := range errs {
						if err.Field == probe.field() && err.Type != field.ErrorTypeForbidden {
							t.Errorf("%s: the schema allows it and the engine says: %v", raw, err)
						}
					}
					continue
				}
				if !refuses(t, schema, raw) {
					t.Errorf("%s: the schema does not refuse it", raw)
				}
				if !slices.ContainsFunc(errs, probe.complained) {
					t.Errorf("%s: the engine does not refuse %s, it says: %v", raw, probe.field(), errs)
				}
			}
		})
	}
}

// complaints of the engine about the parameters of an Operation in an empty cluster.
func complaints(t *testing.T, e *entry, raw []byte) field.ErrorList {
	t.Helper()
	var all field.ErrorList
	for _, operationType := range e.types {
		op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "probe", UID: "1"}}
		op.Spec.Type, op.Spec.Engine, op.Spec.Parameters = operationType, e.engine.Name(), &runtime.RawExtension{Raw: raw}
		op.Spec.TargetRef = &opsv1alpha1.TargetRef{Name: "shop"}
		run := engines.Run{Operation: op, Target: &appsv1alpha1.ApplicationInstance{}, Cluster: "cluster1"}
		_, err := e.engine.Plan(t.Context(), enginetest.NewCluster(t).Reader(), run)
		var invalid *engines.InvalidError
		if errors.As(err, &invalid) {
			all = append(all, invalid.Errs...)
		}
	}
	return all
}

// probe is a value for one parameter.
type probe struct {
	// path to the parameter; a number is an index.
	path  []any
	value any
	// fine values are within the rule.
	fine bool
	// says, if set, is what the complaint must have in it.
	says string
	// anywhere is for values of a wrong type, which the decoder complains about without the index.
	anywhere bool
}

// beside a parameter: what it needs to mean anything.
var beside = map[string]map[string]any{"pruneIntervalDays": {"schedule": "@daily"}, "type": {"secretName": "repository"}}

// parameters with nothing but the value.
func (p probe) parameters() any {
	value := p.value
	for _, step := range slices.Backward(p.path) {
		switch step := step.(type) {
		case int:
			value = []any{value}
		case string:
			value = map[string]any{step: value}
			maps.Copy(value.(map[string]any), beside[step])
		}
	}
	return value
}

func (p probe) field() string {
	at := engines.ParametersPath()
	for _, step := range p.path {
		switch step := step.(type) {
		case int:
			at = at.Index(step)
		case string:
			at = at.Child(step)
		}
	}
	return at.String()
}

func (p probe) complained(err *field.Error) bool {
	if p.anywhere {
		return err.Type == field.ErrorTypeTypeInvalid || err.Type == field.ErrorTypeForbidden
	}
	return err.Field == p.field() && strings.Contains(err.Error(), p.says)
}

// probes of the rules for a value and what is in it.
func probes(s *jsonschema.Schema, path []any) []probe {
	at := func(step any) []any { return append(slices.Clone(path), step) }
	var all []probe
	if len(path) > 0 {
		all = append(ownProbes(s, path), probe{path: path, value: wrongType(s.Type), anywhere: true})
	}
	if s.Items != nil {
		all = append(all, probes(s.Items, at(0))...)
	}
	if s.Properties == nil {
		return all
	}
	all = append(all, probe{path: at("noSuchName"), value: 1, anywhere: true})
	for _, name := range s.Required {
		all = append(all, probe{path: at(name), value: zero(property(s, name).Type)})
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		all = append(all, probes(p.Value, at(p.Key))...)
	}
	return all
}

func ownProbes(s *jsonschema.Schema, path []any) []probe {
	var all []probe
	for _, bound := range []struct {
		limit json.Number
		step  int64
	}{{s.Minimum, -1}, {s.Maximum, 1}} {
		if limit, err := bound.limit.Int64(); err == nil {
			all = append(all, probe{path: path, value: limit, fine: true}, probe{path: path, value: limit + bound.step})
		}
	}
	if len(s.Enum) > 0 {
		values := make([]string, 0, len(s.Enum))
		for _, v := range s.Enum {
			all = append(all, probe{path: path, value: v, fine: true})
			values = append(values, fmt.Sprintf("%q", v))
		}
		all = append(all, probe{path: path, value: "neither", says: "supported values: " + strings.Join(values, ", ")})
	}
	if s.MinLength != nil {
		all = append(all, probe{path: path, value: strings.Repeat("a", int(*s.MinLength)), fine: true})
		all = append(all, probe{path: path, value: strings.Repeat("a", int(*s.MinLength)-1)})
	}
	if s.MaxLength != nil {
		all = append(all, probe{path: path, value: strings.Repeat("a", int(*s.MaxLength)), fine: true})
		all = append(all, probe{path: path, value: strings.Repeat("a", int(*s.MaxLength)+1)})
	}
	if s.Pattern != "" {
		all = append(all, probe{path: path, value: "A:"})
	}
	if s.MaxItems != nil {
		all = append(all, probe{path: path, value: slices.Repeat([]any{map[string]any{}}, int(*s.MaxItems)+1)})
	}
	return all
}

func property(s *jsonschema.Schema, name string) *jsonschema.Schema {
	p, _ := s.Properties.Get(name)
	return p
}

func wrongType(jsonType string) any {
	if jsonType == "string" {
		return 5
	}
	return "text"
}

// zero is what a required parameter must not be.
func zero(jsonType string) any {
	if jsonType == "string" {
		return ""
	}
	return 0
}

// TestNullIsLeftOut: an engine takes null for every parameter as if it had been left out, as the page says.
func TestNullIsLeftOut(t *testing.T) {
	for e := range entriesOf(t) {
		for p := e.schema.Properties.Oldest(); p != nil; p = p.Next() {
			op := &opsv1alpha1.Operation{}
			op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(`{"` + p.Key + `":null}`)}
			into := reflect.New(e.parameters)
			if err := engines.DecodeParameters(op, into.Interface()); err != nil || !into.Elem().IsZero() {
				t.Errorf("%s: %s: null is decoded to %+v, %v", e.file(), p.Key, into.Elem(), err)
			}
		}
	}
}
