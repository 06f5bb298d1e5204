// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"strings"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestCanaries: values that a template redacts come out nowhere, although the executor and the API server repeat them: neither those of the Operation
// nor those of the template's defaults.
func TestCanaries(t *testing.T) {
	const canary, byDefault = "canary-4711", "canary-by-default"
	secret := func(s *opsv1alpha1.OperationTemplateSpec) {
		s.Redact, s.Defaults = []string{"blockedBy", "poke"}, parameters(t, `{"poke":"`+byDefault+`"}`)
	}
	for name, c := range map[string]struct {
		params string
		play   func(*testing.T, *opsv1alpha1.Operation)
		phase  opsv1alpha1.OperationPhase
	}{
		"the executor repeats it": {`{"blockedBy":"` + canary + `","poke":""}`, func(t *testing.T, op *opsv1alpha1.Operation) {
			w := widgetAs(t, op, "", 1)
			play(t, w, map[string]any{"phase": "Broken", "message": "wrong password " + canary + " for " + byDefault})
		}, opsv1alpha1.PhaseFailed},
		"a mistake repeats it": {`{"blockedBy":["` + canary + `"]}`, nil, opsv1alpha1.PhaseFailed},
		"it names an object":   {`{"blockedBy":"` + canary + `"}`, nil, opsv1alpha1.PhaseFailed},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			template := listed(t, secret)
			instanceOf(t, ns, template)
			op := following(ns, template)
			op.Spec.Parameters = parameters(t, c.params)
			create(t, op)
			if c.play != nil {
				c.play(t, op)
			}
			reaches(t, op, c.phase, "")
			t.Logf("%s: %s", op.Status.Reason, op.Status.Message)
			status := *op.Status.DeepCopy()
			status.Template.Defaults = nil // which are the template's
			none(t, "the status", status, canary, byDefault)
			none(t, "the Events", eventsOf(t, op), canary, byDefault)
		})
	}
}

// none of the words is told.
func none(t *testing.T, who string, told any, words ...string) {
	t.Helper()
	text, err := yaml.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range words {
		if strings.Contains(string(text), w) {
			t.Errorf("%s have %s:\n%s", who, w, text)
		}
	}
}

// eventsOf waits until there is one of how an Operation ended.
func eventsOf(t *testing.T, op *opsv1alpha1.Operation) []unstructured.Unstructured {
	t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(eventsv1.SchemeGroupVersion.WithKind("EventList"))
	eventually(t, func() string {
		if err := k8s.List(t.Context(), list, client.InNamespace(op.Namespace)); err != nil {
			return err.Error()
		}
		for _, e := range list.Items {
			if reason, _, _ := unstructured.NestedString(e.Object, "reason"); reason == op.Status.Reason {
				return ""
			}
		}
		return "no Event of " + op.Status.Reason
	})
	return list.Items
}
