// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func rules(expressionsAndMessages ...string) func(*opsv1alpha1.OperationTemplateSpec) {
	return func(s *opsv1alpha1.OperationTemplateSpec) {
		s.Preconditions = &opsv1alpha1.TemplatePreconditions{}
		for i := 0; i < len(expressionsAndMessages); i += 2 {
			s.Preconditions.Rules = append(s.Preconditions.Rules, opsv1alpha1.TemplateRule{Expression: expressionsAndMessages[i], Message: expressionsAndMessages[i+1]})
		}
	}
}

func TestBroken(t *testing.T) {
	instance := &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "erp", Labels: map[string]string{"tier": "gold"}},
		Spec:       appsv1alpha1.ApplicationInstanceSpec{AppRef: appsv1alpha1.AppRef{CatalogID: "odoo"}},
	}
	for name, c := range map[string]struct {
		expression, parameters string
		want                   string
	}{
		"holds":             {"instance.spec.appRef.catalogId == 'odoo'", "", ""},
		"does not":          {"instance.metadata.labels.tier == 'silver'", "", "silver only"},
		"parameters":        {"parameters.count <= 3", `{"count":3}`, ""},
		"parameters, not":   {"parameters.count <= 3", `{"count":4}`, "silver only"},
		"absent":            {"!has(instance.metadata.annotations)", "", ""},
		"optional":          {"instance.metadata.?annotations[?'x'].orValue('') == ''", "", ""},
		"cannot be read":    {"instance.status.nothing.there == 'x'", "", "cannot be evaluated: no such key"},
		"costs too much":    {"[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a+b+c+d+e+f > 0))))))", "", "actual cost limit exceeded"},
		"parameters absent": {"size(parameters) == 0", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := compiled(t, rules(c.expression, "silver only")).Broken(instance, raw(c.parameters))
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("it says %q, want %q", got, c.want)
			}
		})
	}
}

// FuzzRule: whatever a template's author writes, it compiles or is refused, and is evaluated within its cost without a panic.
func FuzzRule(f *testing.F) {
	f.Add("instance.metadata.name == parameters.a")
	f.Add("parameters.map(k, k + k).exists(x, x.matches('(a+)+$'))")
	f.Fuzz(func(_ *testing.T, expression string) {
		if len(expression) > 4096 {
			return // the API server refuses it
		}
		tmpl := template("t", opsv1alpha1.TypeRunCommand, opsv1alpha1.EngineJob, rules(expression, "m"))
		if e, errs := Compile(&tmpl); len(errs) == 0 {
			e.Broken(&appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Name: "erp"}}, raw(`{"a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}`))
		}
	})
}
