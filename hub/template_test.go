// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
)

// listed puts a template for Backups by Velero into the catalog for the time of the test. It is not found unless it is named.
func (f *fleet) listed(name string, change func(*opsv1alpha1.OperationTemplateSpec)) *opsv1alpha1.OperationTemplate {
	f.t.Helper()
	template := &opsv1alpha1.OperationTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: f.ns + "-" + name},
		Spec: opsv1alpha1.OperationTemplateSpec{
			Type: opsv1alpha1.TypeBackup, Engine: opsv1alpha1.EngineVelero, TargetSelector: &opsv1alpha1.TargetSelector{CatalogIDs: []string{"nobody"}},
		},
	}
	if change != nil {
		change(&template.Spec)
	}
	f.must(api.Create(f.ctx, template))
	f.t.Cleanup(func() { _ = api.Delete(f.ctx, template) })
	return template
}

func naming(name string) func(*opsv1alpha1.Operation) {
	return func(op *opsv1alpha1.Operation) {
		op.Spec.Type, op.Spec.Engine, op.Spec.TemplateRef, op.Spec.Parameters = opsv1alpha1.TypeBackup, "", &opsv1alpha1.TemplateRef{Name: name}, nil
	}
}

// TestTemplateIsSentByItsDigest: clusters are told which template, and in which form, the hub has looked at; a template that comes later is found.
func TestTemplateIsSentByItsDigest(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", naming(f.ns+"-later"))
	f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonNoTemplate)
	if got := f.get(op); !strings.Contains(got.Status.Message, `spec.templateRef.name: there is no OperationTemplate "`+f.ns+`-later"`) {
		t.Errorf("message: %s", got.Status.Message)
	}
	f.listed("later", nil)
	for _, work := range f.awaitWorks(op, 1) {
		status := f.get(op).Status.Template
		if status == nil || status.Name != f.ns+"-later" {
			t.Fatalf("status.template is %+v", status)
		}
		if raw := string(work.Spec.Workload.Manifests[0].Raw); !strings.Contains(raw, `"templateRef":{"digest":"`+status.Digest+`","name":"`+status.Name+`"}`) &&
			!strings.Contains(raw, `"templateRef":{"name":"`+status.Name+`","digest":"`+status.Digest+`"}`) {
			t.Errorf("sent: %s", raw)
		}
	}
}

// TestTemplateRefusesBeforeAnythingIsSent: what no cluster could do is told at once, by its field.
func TestTemplateRefusesBeforeAnythingIsSent(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	f.place("all", f.clusters...)
	schema := func(s *opsv1alpha1.OperationTemplateSpec) {
		s.InputSchema = &runtime.RawExtension{Raw: []byte(`{"properties":{"ttl":{"pattern":"^[0-9]+h$"}},"required":["ttl"]}`)}
	}
	strict := f.listed("strict", schema)
	filled := f.listed("filled", func(s *opsv1alpha1.OperationTemplateSpec) {
		schema(s)
		s.Defaults = &runtime.RawExtension{Raw: []byte(`{"ttl":"24h"}`)}
	})
	elsewhere := f.listed("elsewhere", func(s *opsv1alpha1.OperationTemplateSpec) { s.AllowedNamespaces = []string{"banks"} })
	broken := f.listed("broken", func(s *opsv1alpha1.OperationTemplateSpec) {
		s.InputSchema = &runtime.RawExtension{Raw: []byte(`{"type":"nothing"}`)}
	})
	for name, c := range map[string]struct {
		template   *opsv1alpha1.OperationTemplate
		parameters string
		phase      opsv1alpha1.OperationPhase
		reason     string
		words      string
	}{
		"missing":   {strict, ``, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed, "spec.parameters.ttl: Required value"},
		"wrong":     {filled, `{"ttl":"for-ever"}`, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed, "spec.parameters.ttl: Invalid value: must match ^[0-9]+h$"},
		"fine":      {filled, ``, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut, "planned for 1 clusters"},
		"elsewhere": {elsewhere, ``, opsv1alpha1.PhasePending, opsv1alpha1.ReasonNamespaceNotAllowed, "it is for banks"},
		"broken":    {broken, ``, opsv1alpha1.PhasePending, opsv1alpha1.ReasonTemplateInvalid, "spec.inputSchema"},
	} {
		op := f.operation(name, "all", naming(c.template.Name), func(op *opsv1alpha1.Operation) {
			if c.parameters != "" {
				op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(c.parameters)}
			}
		})
		f.await(op, c.phase, c.reason)
		if got := f.get(op); c.phase != opsv1alpha1.PhaseRunning && (!strings.Contains(got.Status.Message, c.words) || len(f.works(op)) > 0) {
			t.Errorf("%s: %d works, and it says %q", name, len(f.works(op)), got.Status.Message)
		}
	}
}

// TestNoTemplate: it is waited for no longer than the start deadline, or not at all where the hub is told so.
func TestNoTemplate(t *testing.T) {
	f := newFleet(t, 1)
	stop := f.startHub()
	f.place("all", f.clusters...)
	f.await(f.operation("waits", "all", naming("nothing"), deadline(time.Second)), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNoTemplate)
	stop()
	f.options.NoTemplate = NoTemplateReject
	f.startHub()
	f.await(f.operation("rejected", "all", naming("nothing")), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNoTemplate)
}

func TestNoTemplateFlag(t *testing.T) {
	var n NoTemplate
	if err := n.Set("Reject"); err != nil || n != NoTemplateReject {
		t.Errorf("%q: %v", n, err)
	}
	if err := n.Set("reject"); err == nil || err.Error() != "must be Block or Reject" {
		t.Errorf("%v", err)
	}
}

// TestTemplateOfAnOldCacheIsNotSent: what the API server does not have any more in that form, no cluster would find either.
func TestTemplateOfAnOldCacheIsNotSent(t *testing.T) {
	f := newFleet(t, 0)
	template := f.listed("old", nil)
	choice := func() catalog.Choice {
		entry, wrong := catalog.Compile(template.DeepCopy())
		if len(wrong) > 0 {
			t.Fatal(wrong)
		}
		return catalog.Choice{Entries: []*catalog.Entry{entry}}
	}
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: f.ns}}
	naming(template.Name)(op)
	old := choice()
	f.isCurrent(op, old, true)
	template.Spec.Description = "another"
	f.must(api.Update(f.ctx, template))
	f.isCurrent(op, old, false)
	f.isCurrent(op, choice(), true)
	f.must(api.Delete(f.ctx, template))
	f.isCurrent(op, old, false)
}

// TestCatalogOfAnOldCacheIsNotChosenFrom: a template that has just come may be the one that asks for an approval.
func TestCatalogOfAnOldCacheIsNotChosenFrom(t *testing.T) {
	f := newFleet(t, 0)
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.ns},
		Spec:       opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeBackup, Selector: &opsv1alpha1.InstanceSelector{}},
	}
	choice := func() catalog.Choice {
		list := &opsv1alpha1.OperationTemplateList{}
		f.must(api.List(f.ctx, list))
		choice, problem := new(catalog.Book).Follow(catalog.NewRequest(op, nil), list.Items)
		if problem != nil || choice.One() != nil {
			t.Fatalf("the choice is not open: %v", problem)
		}
		return choice
	}
	old := choice()
	f.isCurrent(op, old, true)
	careful := f.listed("careful", func(s *opsv1alpha1.OperationTemplateSpec) {
		s.AllowedNamespaces, s.Approval = []string{f.ns}, &opsv1alpha1.ApprovalPolicy{Required: true}
	})
	f.isCurrent(op, old, false)
	f.isCurrent(op, choice(), true)
	f.must(api.Delete(f.ctx, careful))
	f.isCurrent(op, old, true)
}

// isCurrent asks a hub whose cache has seen nothing of what became of the catalog.
func (f *fleet) isCurrent(op *opsv1alpha1.Operation, choice catalog.Choice, want bool) {
	f.t.Helper()
	r := &OperationReconciler{Live: api, Options: Options{}.complete(), book: &catalog.Book{}}
	if got, err := r.current(f.ctx, op, choice); err != nil || got != want {
		f.t.Errorf("it is current: %t, want %t, %v", got, want, err)
	}
}

// TestWhatClustersChooseFrom: where an Operation leaves its engine open, it takes what every template takes that a cluster may choose, those for some targets too.
func TestWhatClustersChooseFrom(t *testing.T) {
	f := newFleet(t, 1)
	f.place("all", f.clusters...)
	f.listed("careful", func(s *opsv1alpha1.OperationTemplateSpec) {
		s.AllowedNamespaces, s.Approval = []string{f.ns}, &opsv1alpha1.ApprovalPolicy{Required: true}
	})
	f.startHub()
	open := func(op *opsv1alpha1.Operation) {
		op.Spec.Type, op.Spec.Engine, op.Spec.TemplateRef, op.Spec.Parameters = opsv1alpha1.TypeBackup, "", nil, nil
	}
	f.await(f.operation("open", "all", open), opsv1alpha1.PhasePending, opsv1alpha1.ReasonAwaitingApproval)
	settled := f.operation("settled", "all", func(op *opsv1alpha1.Operation) { open(op); op.Spec.Engine = opsv1alpha1.EngineVelero })
	f.awaitWorks(settled, 1)
	if s := f.get(settled).Status.Template; s == nil || s.Name != "backup-velero" {
		t.Errorf("status.template is %+v", s)
	}
}
