// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestCommonParameters(t *testing.T) {
	for name, c := range map[string]struct {
		raw   string
		typ   opsv1alpha1.OperationType
		want  bool
		wrong string
	}{
		"left out":      {"", opsv1alpha1.TypeBackup, false, ""},
		"other":         {`{"image":"a"}`, opsv1alpha1.TypeBackup, false, ""},
		"asked":         {`{"image":"a","quiesce":true}`, opsv1alpha1.TypeRunCommand, true, ""},
		"not asked":     {`{"quiesce":false}`, opsv1alpha1.TypeRestore, false, ""},
		"wrong type":    {`{"quiesce":{"enabled":true}}`, opsv1alpha1.TypeBackup, false, "spec.parameters.quiesce: Invalid value: must be true or false, not an object"},
		"of an Upgrade": {`{"quiesce":true}`, opsv1alpha1.TypeUpgrade, false, "spec.parameters.quiesce: Forbidden: Upgrade replaces what would be quiesced"},
		"of a Restore":  {`{"quiesce":true}`, opsv1alpha1.TypeRestore, false, "spec.parameters.quiesce: Forbidden"},
		"no object":     {`[]`, opsv1alpha1.TypeBackup, false, "must be an object"},
		"twice":         {`{"quiesce":true,"quiesce":false}`, opsv1alpha1.TypeBackup, false, "spec.parameters.quiesce: Duplicate"},
	} {
		t.Run(name, func(t *testing.T) {
			op := &opsv1alpha1.Operation{Spec: opsv1alpha1.OperationSpec{Type: c.typ}}
			if c.raw != "" {
				op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(c.raw)}
			}
			got, err := CommonParameters(op)
			if c.wrong == "" && (err != nil || got.Quiesce != c.want) {
				t.Errorf("got %+v, %v", got, err)
			}
			if c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
				t.Errorf("got %v, want %q", err, c.wrong)
			}
		})
	}
}

// TestCommonParametersAreNoEngines: they are checked for every engine, and seen by none.
func TestCommonParametersAreNoEngines(t *testing.T) {
	if got, err := decodeSample(`{"image":"a","quiesce":true}`); err != nil || got.Image != "a" {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, raw := range []string{`{"image":"a","quiesce":1}`, `{"image":"a","Quiesce":true}`} {
		if _, err := decodeSample(raw); err == nil {
			t.Errorf("%s is accepted", raw)
		}
	}
}

// TestStep: a run beside the Operation's own meets nothing of it.
func TestStep(t *testing.T) {
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Name: "copy", UID: "1"}}
	own, step, other := Run{Operation: op}, Run{Operation: op, Step: "quiesce"}, Run{Operation: op, Step: "unquiesce"}
	names := map[string]bool{}
	for _, name := range []string{own.Name(), own.Name("quiesce"), own.Name("2"), step.Name(), step.Name("2"), other.Name(), other.Name("2")} {
		names[name] = true
	}
	if len(names) != 7 {
		t.Errorf("names meet: %v", names)
	}
	if own.Labels()[opsv1alpha1.LabelStep] != "" || step.RunnerLabels()[opsv1alpha1.LabelStep] != "quiesce" {
		t.Errorf("labels %v and %v", own.Labels(), step.RunnerLabels())
	}
}

func TestGrant(t *testing.T) {
	g := Grant{Role: "r", Namespace: "apps", User: "u", Verbs: []string{"create", "get"}, Resource: "services/proxy", Names: []string{"web:80", "api:80"}}
	want := "kubectl create role r -n apps --verb=create,get --resource=services/proxy --resource-name=web:80 --resource-name=api:80 && " +
		"kubectl create rolebinding r -n apps --role=r --user=u"
	if got := g.Commands(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
