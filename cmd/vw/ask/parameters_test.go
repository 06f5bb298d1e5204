// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// everyKind is a template with a parameter of every kind.
func everyKind() *opsv1alpha1.OperationTemplate {
	t := &opsv1alpha1.OperationTemplate{ObjectMeta: metav1.ObjectMeta{Name: "every-kind"}}
	t.Spec.Type, t.Spec.Engine = opsv1alpha1.TypeRunCommand, opsv1alpha1.EngineJob
	t.Spec.InputSchema = &runtime.RawExtension{Raw: []byte(`{
		"type": "object", "additionalProperties": false, "required": ["image", "mode"],
		"$defs": {"size": {"type": "string", "pattern": "^[0-9]+Gi$", "description": "A size."}},
		"properties": {
			"image": {"type": "string", "minLength": 1, "description": "Image to run.\nSee ` + "`kubectl explain`" + `."},
			"mode": {"enum": ["fast", "safe"]},
			"retries": {"type": ["null", "integer"], "maximum": 5},
			"ratio": {"type": "number"},
			"restorePVs": {"type": "boolean"},
			"args": {"type": "array", "items": {"type": "string"}},
			"ports": {"type": "array", "items": {"type": "integer"}},
			"env": {"type": "array", "items": {"type": "object"}},
			"podAnnotations": {"type": "object", "additionalProperties": {"type": "string"}},
			"valuesPatch": {"type": "object"},
			"repository": {"type": "object", "properties": {"secretName": {"type": "string"}, "keep": {"type": "integer"}}},
			"size": {"$ref": "#/$defs/size"},
			"whatever": {},
			"timeout": {"type": "string"}
		}}`)}
	t.Spec.Defaults = &runtime.RawExtension{Raw: []byte(`{"mode": "safe", "retries": 2}`)}
	return t
}

func parametersOf(t *testing.T) map[string]Parameter {
	t.Helper()
	all, err := Parameters(everyKind(), func(flag string) bool { return flag == "timeout" })
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Parameter{}
	for _, p := range all {
		byName[p.Name] = p
	}
	if all[0].Name != "image" || all[1].Name != "args" {
		t.Errorf("required ones come first: %s, %s", all[0].Name, all[1].Name)
	}
	return byName
}

func TestParameters(t *testing.T) {
	got := map[string]Parameter{}
	for name, p := range parametersOf(t) {
		p.schema = nil
		got[name] = p
	}
	want := map[string]Parameter{
		"image":          {Flag: "image", Kind: String, Usage: "Image to run. See 'kubectl explain'.", Required: true},
		"mode":           {Flag: "mode", Kind: String, Enum: []string{"fast", "safe"}, Default: `"safe"`},
		"retries":        {Flag: "retries", Kind: Integer, Default: "2"},
		"ratio":          {Flag: "ratio", Kind: Number},
		"restorePVs":     {Flag: "restore-pvs", Kind: Boolean},
		"args":           {Flag: "args", Kind: List, Item: String},
		"ports":          {Flag: "ports", Kind: List, Item: Integer},
		"env":            {Flag: "env", Kind: List, Item: Object},
		"podAnnotations": {Flag: "pod-annotations", Kind: Object},
		"valuesPatch":    {Flag: "values-patch", Kind: Object},
		"repository":     {Flag: "repository", Kind: Object},
		"size":           {Flag: "size", Kind: String, Usage: "A size."},
		"whatever":       {Flag: "whatever"},
		"timeout":        {Flag: "param-timeout", Kind: String},
	}
	for name, p := range want {
		p.Name = name
		want[name] = p
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Parameter{})); diff != "" {
		t.Error(diff)
	}
}

func TestValues(t *testing.T) {
	for name, tt := range map[string]struct {
		said  []string
		want  string // as JSON
		wrong string
	}{
		"image":                {said: []string{"a", "b:1"}, want: `"b:1"`},
		"mode":                 {said: []string{"fast"}, want: `"fast"`},
		"mode/wrong":           {said: []string{"slow"}, wrong: `"slow" is not one of fast, safe`},
		"mode/each":            {said: []string{"${cluster.labels['mode']}"}, want: `"${cluster.labels['mode']}"`},
		"retries":              {said: []string{"3"}, want: `3`},
		"retries/wrong":        {said: []string{"3.5"}, wrong: "whole number"},
		"retries/each":         {said: []string{"${cluster.name.size()}"}, want: `"${cluster.name.size()}"`},
		"ratio":                {said: []string{"0.10"}, want: `0.10`},
		"ratio/wrong":          {said: []string{"NaN"}, wrong: "not a number"},
		"restorePVs":           {said: []string{"false"}, want: `false`},
		"restorePVs/no":        {said: []string{"perhaps"}, wrong: "true or false"},
		"args":                 {said: []string{"a,b", "c"}, want: `["a,b","c"]`},
		"ports":                {said: []string{"80", "443"}, want: `[80,443]`},
		"ports/wrong":          {said: []string{"80", "http"}, wrong: "whole number"},
		"env":                  {said: []string{`{"name": "A", "value": "1"}`, "{name: B, value: x}"}, want: `[{"name":"A","value":"1"},{"name":"B","value":"x"}]`},
		"env/wrong":            {said: []string{"{name: B"}, wrong: "not JSON or YAML"},
		"podAnnotations":       {said: []string{"example.com/a.b=1=2", "c=true"}, want: `{"c":"true","example.com/a.b":"1=2"}`},
		"podAnnotations/wrong": {said: []string{"a"}, wrong: "not KEY=VALUE"},
		"valuesPatch":          {said: []string{"image.tag=1,replicas=2", `{"image": {"pull": true}}`}, want: `{"image":{"pull":true,"tag":1},"replicas":2}`},
		"valuesPatch/wrong":    {said: []string{"a"}, wrong: "not KEY=VALUE"},
		"repository":           {said: []string{"secretName=0815", "keep=7"}, want: `{"keep":7,"secretName":"0815"}`},
		"repository/text":      {said: []string{"secretName=7"}, want: `{"secretName":"7"}`},
		"repository/wrong":     {said: []string{"keep=long"}, wrong: `keep: "long" is not a whole number`},
		"whatever":             {said: []string{"[1, {a: 12345678901234567890}]"}, want: `[1,{"a":12345678901234567890}]`},
	} {
		t.Run(name, func(t *testing.T) {
			which, _, _ := strings.Cut(name, "/")
			p := parametersOf(t)[which]
			value, err := p.Value(tt.said)
			if tt.wrong != "" {
				wrong(t, err, p.Flag, tt.wrong)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := json.Marshal(value); string(got) != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestSet(t *testing.T) {
	parameters, err := ParseObject([]byte("image: a\nrepository: {secretName: s, keep: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Set(everyKind(), parameters, []string{"image=1.0,repository.keep=2", "args=x", "ports={80,443}", "valuesPatch.a=1", "restorePVs=true"}); err != nil {
		t.Fatal(err)
	}
	const want = `{"args":["x"],"image":"1.0","ports":[80,443],"repository":{"keep":2,"secretName":"s"},"restorePVs":true,"valuesPatch":{"a":1}}`
	if got, _ := json.Marshal(parameters); string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for text, says := range map[string]string{"image": "not KEY=VALUE", "retries=many": `retries: "many" is not a whole number`, "ports={a}": `ports[0]: "a"`} {
		wrong(t, Set(everyKind(), map[string]any{}, []string{text}), "set", says)
	}
	untyped := map[string]any{}
	if err := Set(nil, untyped, []string{"a=1,b=x"}); err != nil || !cmp.Equal(untyped, map[string]any{"a": int64(1), "b": "x"}) {
		t.Error(untyped, err)
	}
	broken := everyKind()
	broken.Spec.InputSchema.Raw = []byte(`{"properties": 1}`)
	if err := Set(broken, untyped, []string{"a=1"}); err == nil || !strings.Contains(err.Error(), "every-kind: spec.inputSchema") {
		t.Error(err)
	}
}

func TestParseObject(t *testing.T) {
	for text, says := range map[string]string{"a: 1\na: 2": "already set", "- a": "KEY: VALUE", "{": "not JSON or YAML"} {
		if _, err := ParseObject([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %s", text, err, says)
		}
	}
	if got, err := ParseObject(nil); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
}

func TestCheck(t *testing.T) {
	template := everyKind()
	known, err := Parameters(template, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	check := func(parameters string) error {
		op := &opsv1alpha1.Operation{Spec: opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeRunCommand, Parameters: &runtime.RawExtension{Raw: []byte(parameters)}}}
		return Check(op, template, known)
	}
	for parameters, want := range map[string]string{
		`{}`:                            "--image: OperationTemplate every-kind asks for it",
		`{"image": "a", "retries": 9}`:  "--retries: Invalid value: ",
		`{"image": "a", "nonsense": 1}`: "spec.parameters.nonsense: ",
		`{"image": "", "size": "big"}`:  "--size: ",
		`{"image": "a", "repository": {"secretName": 1}}`: "spec.parameters.repository.secretName: ",
	} {
		if err := check(parameters); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", parameters, err, want)
		}
	}
	for _, parameters := range []string{`{"image": "a"}`, `{"image": "a", "retries": "${cluster.name.size()}"}`} {
		if err := check(parameters); err != nil {
			t.Errorf("%s: %v", parameters, err)
		}
	}
}

func TestKebab(t *testing.T) {
	for name, want := range map[string]string{
		"image": "image", "targetVersion": "target-version", "restorePVs": "restore-pvs", "HTTPServer": "http-server", "useTLS": "use-tls", "fsGroup2": "fs-group2", "a_b": "a-b",
	} {
		if got := kebab(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestCandidates(t *testing.T) {
	template := func(name string, engine opsv1alpha1.OperationEngine, namespaces ...string) opsv1alpha1.OperationTemplate {
		return opsv1alpha1.OperationTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: opsv1alpha1.OperationTemplateSpec{
			Type: opsv1alpha1.TypeBackup, Engine: engine, AllowedNamespaces: namespaces,
		}}
	}
	other := template("other", opsv1alpha1.EngineJob)
	other.Spec.Type = opsv1alpha1.TypeRestore
	all := []opsv1alpha1.OperationTemplate{template("volsync", opsv1alpha1.EngineVolsync), template("velero", opsv1alpha1.EngineVelero), template("job", opsv1alpha1.EngineJob, "wikis"), other}
	instance := func(engine, chart string) appsv1alpha1.ApplicationInstance {
		return appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
			opsv1alpha1.TypeBackup.Capability(): engine, appsv1alpha1.AnnotationChartCapabilities: chart,
		}}}
	}
	for name, tt := range map[string]struct {
		namespace string
		engine    opsv1alpha1.OperationEngine
		instances []appsv1alpha1.ApplicationInstance
		want      string
	}{
		"all":                      {namespace: "shops", want: "velero volsync"},
		"of a namespace":           {namespace: "wikis", want: "job velero volsync"},
		"by engine":                {namespace: "shops", engine: opsv1alpha1.EngineVolsync, want: "volsync"},
		"by what they advertise":   {namespace: "shops", instances: []appsv1alpha1.ApplicationInstance{instance("velero", ""), instance("velero", "false")}, want: "velero"},
		"they differ":              {namespace: "shops", instances: []appsv1alpha1.ApplicationInstance{instance("velero", ""), instance("volsync", "")}, want: "velero volsync"},
		"the chart decides":        {namespace: "shops", instances: []appsv1alpha1.ApplicationInstance{instance("velero", "true")}, want: "velero volsync"},
		"one does not advertise":   {namespace: "shops", instances: []appsv1alpha1.ApplicationInstance{instance("velero", ""), instance("", "")}, want: "velero volsync"},
		"the engine that was said": {namespace: "shops", engine: opsv1alpha1.EngineVolsync, instances: []appsv1alpha1.ApplicationInstance{instance("velero", "")}, want: "volsync"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(Names(Candidates(all, tt.namespace, opsv1alpha1.TypeBackup, tt.engine, tt.instances)), " "); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
