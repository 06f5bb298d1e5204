// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"strings"
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestRehearsal: a dry run on many looks into each of them, and says of each what a run of its own would meet; nothing is made, and nothing waits.
func TestRehearsal(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "free", widgetName)
	capable(t, ns, "taken", widgetName)
	create(t, placeholder(ns, "bare", "shop"))
	restore := on(ns, "restore", "taken", opsv1alpha1.TypeRestore)
	create(t, restore)
	widgetOf(t, restore)
	for name, c := range map[string]struct {
		typ        opsv1alpha1.OperationType
		parameters string
		counts     opsv1alpha1.Counts
		words      []string
	}{
		"upgrade": {
			opsv1alpha1.TypeUpgrade, `{}`, opsv1alpha1.Counts{Total: 3, Pending: 1, Blocked: 2},
			[]string{"would run on 1 of 3 instances; " + ns + "/bare would wait: ApplicationInstance bare does not advertise", ns + "/taken would wait: Restore restore on the same target is running"},
		},
		"wrong": {
			opsv1alpha1.TypeUpgrade, `{"steps":"many"}`, opsv1alpha1.Counts{Total: 3, Blocked: 1, Failed: 2},
			[]string{"would run on 0 of 3 instances; ", ns + "/free would be refused: spec.parameters.steps"},
		},
	} {
		op := selecting(ns, name, opsv1alpha1.InstanceSelector{})
		op.Spec.Type, op.Spec.DryRun, op.Spec.Parameters = c.typ, true, parameters(t, c.parameters)
		create(t, op)
		says(t, reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun), c.words...)
		if s := op.Status.Summary; s == nil || s.Instances == nil || *s.Instances != c.counts {
			t.Errorf("%s: summary is %+v, want %+v", name, s, c.counts)
		}
		if children, made := len(childrenOf(t, op)), len(widgetsOf(t, op)); children+made > 0 || op.Status.StartedAt != nil {
			t.Errorf("%s: %d children, %d Widgets, started at %v", name, children, made, op.Status.StartedAt)
		}
	}
}

// TestRehearsalRedacts what the templates of the instances say.
func TestRehearsalRedacts(t *testing.T) {
	const canary = "canary-4711"
	ns := gatedNamespace(t)
	template := listed(t, func(s *opsv1alpha1.OperationTemplateSpec) {
		s.Type, s.Redact = opsv1alpha1.TypeUpgrade, []string{"poke"}
	})
	instanceOf(t, ns, template)
	op := selecting(ns, "op", opsv1alpha1.InstanceSelector{})
	op.Spec.Type, op.Spec.DryRun, op.Spec.TemplateRef = opsv1alpha1.TypeUpgrade, true, &opsv1alpha1.TemplateRef{Name: template.Name}
	op.Spec.Parameters = parameters(t, `{"poke":"`+canary+`"}`)
	create(t, op)
	says(t, reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun), ns+"/web")
	none(t, "the status", op.Status, canary)
}

// TestDryRunDoesNotWait for what is only a matter of time: it says that the run would.
func TestDryRunDoesNotWait(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	first := on(ns, "first", "web", opsv1alpha1.TypeUpgrade)
	create(t, first)
	w := widgetOf(t, first)
	op := on(ns, "op", "web", opsv1alpha1.TypeUpgrade)
	op.Spec.DryRun = true
	create(t, op)
	says(t, reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun), "dry run: would wait: Upgrade first on the same target is running")
	play(t, w, map[string]any{"phase": "Done"})
	reaches(t, first, opsv1alpha1.PhaseSucceeded, "")
}

// TestExpressionsAreTheHubs: on a cluster nobody fills them in, and what a hub has filled in is text.
func TestExpressionsAreTheHubs(t *testing.T) {
	ns := gatedNamespace(t)
	ai := capable(t, ns, "web", widgetName)
	const words = "spec.parameters.poke: Forbidden: it holds an expression about the cluster, and there is no hub here to fill it in"
	for name, op := range map[string]*opsv1alpha1.Operation{
		"one": on(ns, "one", ai.Name, opsv1alpha1.TypeUpgrade), "all": selecting(ns, "all", opsv1alpha1.InstanceSelector{}),
	} {
		op.Spec.Parameters = parameters(t, `{"poke":"${cluster.labels['region']}"}`)
		create(t, op)
		says(t, reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed), words)
		if len(widgetsOf(t, op))+len(childrenOf(t, op)) > 0 {
			t.Errorf("%s: something was made of it", name)
		}
	}
	delivered := on(ns, "delivered", ai.Name, opsv1alpha1.TypeUpgrade)
	delivered.Labels = map[string]string{opsv1alpha1.LabelRoot: "uid-on-the-hub"}
	delivered.Spec.Parameters, delivered.Spec.DryRun = parameters(t, `{"poke":"${cluster.name}"}`), true
	create(t, delivered)
	if reaches(t, delivered, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun); !strings.Contains(delivered.Status.Message, "would") {
		t.Error(delivered.Status.Message)
	}
}
