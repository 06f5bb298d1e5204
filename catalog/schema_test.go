// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// canary must not be in any message.
const canary = "hunter2-hunter2"

func compiled(t *testing.T, change func(*opsv1alpha1.OperationTemplateSpec)) *Entry {
	t.Helper()
	tmpl := template("t", opsv1alpha1.TypeRunCommand, opsv1alpha1.EngineJob, change)
	e, errs := Compile(&tmpl)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return e
}

func window(schedule, zone string) func(*opsv1alpha1.OperationTemplateSpec) {
	return func(s *opsv1alpha1.OperationTemplateSpec) {
		s.MaintenanceWindow = &opsv1alpha1.Window{Schedule: schedule, Duration: metav1.Duration{Duration: time.Hour}, TimeZone: zone}
	}
}

func TestValidate(t *testing.T) {
	e := compiled(t, func(s *opsv1alpha1.OperationTemplateSpec) {
		s.InputSchema = raw(`{"type":"object","additionalProperties":false,"required":["image"],"properties":{
			"image":{"type":"string","pattern":"^registry[.]example[.]com/"},
			"mode":{"enum":["fast","safe"]},
			"count":{"type":"integer","minimum":1},
			"fixed":{"const":7},
			"nested":{"type":"object","properties":{"deep":{"type":"string","maxLength":3}},"additionalProperties":false}}}`)
	})
	for parameters, want := range map[string]string{
		`{"image":"registry.example.com/a"}`: "",
		`{}`:                                 "spec.parameters.image: Required value",
		`{"image":"` + canary + `"}`:         `spec.parameters.image: Invalid value: must match ^registry[.]example[.]com/`,
		`{"image":7}`:                        "spec.parameters.image: Invalid value: must be of type string, not number",
		`{"image":"registry.example.com/a","imgae":"` + canary + `"}`:                      "spec.parameters.imgae: Forbidden: unknown parameter: known are count, fixed, image, mode, nested",
		`{"image":"registry.example.com/a","mode":"` + canary + `"}`:                       `spec.parameters.mode: Invalid value: must be one of "fast", "safe"`,
		`{"image":"registry.example.com/a","count":0}`:                                     "spec.parameters.count: Invalid value: must be at least 1",
		`{"image":"registry.example.com/a","fixed":"` + canary + `"}`:                      "spec.parameters.fixed: Invalid value: must be 7",
		`{"image":"registry.example.com/a","nested":{"deep":"` + canary + `"}}`:            "spec.parameters.nested.deep",
		`{"image":"registry.example.com/a","nested":{"` + "other" + `":"` + canary + `"}}`: "spec.parameters.nested.other: Forbidden: unknown field",
		`"` + canary + `"`: "must be an object",
	} {
		got := ""
		if errs := e.Validate(raw(parameters)); len(errs) > 0 {
			got = errs.ToAggregate().Error()
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) || strings.Contains(got, canary) {
			t.Errorf("%s: it says %q, want %q", parameters, got, want)
		}
	}
}

func TestCompileSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*opsv1alpha1.OperationTemplateSpec)
		want   string
	}{
		"no JSON":   {func(s *opsv1alpha1.OperationTemplateSpec) { s.InputSchema = raw(`{`) }, "spec.inputSchema: Invalid value: cannot be read as JSON"},
		"no schema": {func(s *opsv1alpha1.OperationTemplateSpec) { s.InputSchema = raw(`{"type":"strin"}`) }, "spec.inputSchema"},
		"another draft": {func(s *opsv1alpha1.OperationTemplateSpec) {
			s.InputSchema = raw(`{"$schema":"http://json-schema.org/draft-04/schema#"}`)
		}, "must be of draft 2020-12"},
		"another document": {func(s *opsv1alpha1.OperationTemplateSpec) { s.InputSchema = raw(`{"$ref":"http://127.0.0.1/secret"}`) }, "cannot refer to another document"},
		"a file":           {func(s *opsv1alpha1.OperationTemplateSpec) { s.InputSchema = raw(`{"$ref":"file:///etc/passwd"}`) }, "cannot refer to another document"},
		"deep": {func(s *opsv1alpha1.OperationTemplateSpec) {
			s.InputSchema = raw(strings.Repeat(`{"not":`, 65) + "{}" + strings.Repeat("}", 65))
		}, "at most 64 deep"},
		"backtracking":      {func(s *opsv1alpha1.OperationTemplateSpec) { s.InputSchema = raw(`{"pattern":"(a)\\1"}`) }, "spec.inputSchema"},
		"defaults":          {func(s *opsv1alpha1.OperationTemplateSpec) { s.Defaults = raw(`[]`) }, "spec.defaults: Invalid value: must be an object"},
		"rule":              {rules("instance.", "x"), "spec.preconditions.rules[0].expression: Invalid value: does not compile"},
		"rule of no truth":  {rules("1 + 1", "x"), "must yield true or false, not int"},
		"rule about others": {rules("secret == 'x'", "x"), "undeclared reference to 'secret'"},
		"kind": {func(s *opsv1alpha1.OperationTemplateSpec) {
			s.Preconditions = &opsv1alpha1.TemplatePreconditions{KindsServed: []string{"Backup"}}
		}, "spec.preconditions.kindsServed[0]"},
		"window":            {window("60 * * * *", ""), "spec.maintenanceWindow: Invalid value: schedule"},
		"window that never": {window("0 0 30 2 *", ""), "never comes"},
		"window every":      {window("@every 5m", ""), "@every is not allowed"},
		"zone in schedule":  {window("TZ=UTC 0 0 * * *", ""), "TZ= is not allowed"},
		"zone":              {window("0 0 * * *", "Europe/Zuerich"), "is no time zone"},
		"zone outside":      {window("0 0 * * *", "../../etc/passwd"), "is no time zone"},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl := template("t", opsv1alpha1.TypeRunCommand, opsv1alpha1.EngineJob, c.change)
			_, errs := Compile(&tmpl)
			if len(errs) == 0 || !strings.Contains(errs.ToAggregate().Error(), c.want) {
				t.Errorf("it says %v, want %q", errs.ToAggregate(), c.want)
			}
		})
	}
}

// TestHostilePatternsAreLinear: what takes others minutes (a pattern that backtracks) takes Go's engine no time; the test's deadline is what fails.
func TestHostilePatternsAreLinear(t *testing.T) {
	e := compiled(t, func(s *opsv1alpha1.OperationTemplateSpec) {
		s.InputSchema = raw(`{"properties":{"a":{"pattern":"^(a+)+$"}}}`)
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Validate(raw(`{"a":"` + strings.Repeat("a", 50_000) + `!"}`))
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("a pattern of a template keeps the controller busy")
	}
}

// FuzzSchema: whatever a template's author writes, it compiles or is refused, and validates without a panic.
func FuzzSchema(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"integer"}}}`), []byte(`{"a":1}`))
	f.Add([]byte(`{"$ref":"#"}`), []byte(`{}`))
	f.Add([]byte(`true`), []byte(`null`))
	f.Fuzz(func(_ *testing.T, schema, parameters []byte) {
		tmpl := template("t", opsv1alpha1.TypeRunCommand, opsv1alpha1.EngineJob, func(s *opsv1alpha1.OperationTemplateSpec) { s.InputSchema = raw(string(schema)) })
		if e, errs := Compile(&tmpl); len(errs) == 0 {
			e.Validate(raw(string(parameters)))
		}
	})
}
