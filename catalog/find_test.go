// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func template(name string, t opsv1alpha1.OperationType, engine opsv1alpha1.OperationEngine, change ...func(*opsv1alpha1.OperationTemplateSpec)) opsv1alpha1.OperationTemplate {
	out := opsv1alpha1.OperationTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Generation: 1},
		Spec:       opsv1alpha1.OperationTemplateSpec{Type: t, Engine: engine},
	}
	for _, c := range change {
		c(&out.Spec)
	}
	return out
}

func operation(t opsv1alpha1.OperationType, engine opsv1alpha1.OperationEngine, templateName string) *opsv1alpha1.Operation {
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "op"}, Spec: opsv1alpha1.OperationSpec{Type: t, Engine: engine}}
	if templateName != "" {
		op.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: templateName}
	}
	return op
}

func raw(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

func TestFind(t *testing.T) {
	forNextcloud := func(s *opsv1alpha1.OperationTemplateSpec) {
		s.TargetSelector = &opsv1alpha1.TargetSelector{CatalogIDs: []string{"nextcloud"}}
	}
	forGold := func(s *opsv1alpha1.OperationTemplateSpec) {
		s.TargetSelector = &opsv1alpha1.TargetSelector{HelmRelease: &opsv1alpha1.ObjectSelector{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}}}
	}
	inShops := func(s *opsv1alpha1.OperationTemplateSpec) { s.AllowedNamespaces = []string{"shops"} }
	inBanks := func(s *opsv1alpha1.OperationTemplateSpec) { s.AllowedNamespaces = []string{"banks"} }
	broken := func(s *opsv1alpha1.OperationTemplateSpec) { s.InputSchema = raw(`{"type":"nothing"}`) }
	nextcloud := &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "cloud"},
		Spec:       appsv1alpha1.ApplicationInstanceSpec{AppRef: appsv1alpha1.AppRef{CatalogID: "nextcloud"}},
	}
	odoo := &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "erp"},
		Spec:       appsv1alpha1.ApplicationInstanceSpec{AppRef: appsv1alpha1.AppRef{CatalogID: "odoo"}},
	}
	const backup, velero, volsync, job = opsv1alpha1.TypeBackup, opsv1alpha1.EngineVelero, opsv1alpha1.EngineVolsync, opsv1alpha1.EngineJob
	general, special := template("backup-velero", backup, velero), template("nextcloud-backup", backup, velero, forNextcloud)
	for name, c := range map[string]struct {
		request   Request
		templates []opsv1alpha1.OperationTemplate
		want      string // the names found, or the reason
		message   string // a part of it
	}{
		"none at all":            {Request{Operation: operation(backup, velero, "")}, nil, "NoTemplate", "install one with spec.type Backup"},
		"none of the engine":     {Request{Operation: operation(backup, job, ""), Engine: job}, []opsv1alpha1.OperationTemplate{general}, "NoTemplate", "for Backup there are: backup-velero"},
		"by type and engine":     {Request{Operation: operation(backup, velero, ""), Engine: velero}, []opsv1alpha1.OperationTemplate{general, template("x", opsv1alpha1.TypeRestore, velero)}, "backup-velero", ""},
		"the special one wins":   {Request{Operation: operation(backup, "", ""), Engine: velero, Instance: nextcloud}, []opsv1alpha1.OperationTemplate{general, special}, "nextcloud-backup", ""},
		"but not for others":     {Request{Operation: operation(backup, "", ""), Engine: velero, Instance: odoo}, []opsv1alpha1.OperationTemplate{general, special}, "backup-velero", ""},
		"nor where nobody knows": {Request{Operation: operation(backup, velero, ""), Engine: velero}, []opsv1alpha1.OperationTemplate{general, special}, "backup-velero", ""},
		"two of a kind":          {Request{Operation: operation(backup, velero, ""), Engine: velero}, []opsv1alpha1.OperationTemplate{general, template("another", backup, velero)}, "AmbiguousTemplate", "another, backup-velero"},
		"one for each engine":    {Request{Operation: operation(backup, "", "")}, []opsv1alpha1.OperationTemplate{general, template("backup-volsync", backup, volsync)}, "any of backup-velero, backup-volsync", ""},
		"one for each engine, and one that may be a target's own": {Request{Operation: operation(backup, "", "")}, []opsv1alpha1.OperationTemplate{general, special, template("backup-volsync", backup, volsync)}, "any of backup-velero, backup-volsync, nextcloud-backup", ""},
		"one engine, and one that may be a target's own":          {Request{Operation: operation(backup, "", "")}, []opsv1alpha1.OperationTemplate{general, special}, "backup-velero", ""},
		"as the chart says": {Request{Operation: operation(backup, "", ""), Instance: nextcloud, ChartDecides: true},
			[]opsv1alpha1.OperationTemplate{general, special, template("backup-volsync", backup, volsync)}, "any of backup-velero, backup-volsync, nextcloud-backup", ""},
		"as the chart of another says": {Request{Operation: operation(backup, "", ""), Instance: odoo, ChartDecides: true},
			[]opsv1alpha1.OperationTemplate{general, special, template("gold", backup, velero, forGold)}, "any of backup-velero, gold", ""},
		"two for one of the engines": {Request{Operation: operation(backup, "", "")}, []opsv1alpha1.OperationTemplate{general, template("b", backup, volsync), template("c", backup, volsync)}, "AmbiguousTemplate", "b, backup-velero, c"},
		"by name":                    {Request{Operation: operation(backup, "", "nextcloud-backup")}, []opsv1alpha1.OperationTemplate{general, special}, "nextcloud-backup", ""},
		"by a name that is not":      {Request{Operation: operation(backup, "", "nextclout-backup")}, []opsv1alpha1.OperationTemplate{general, special}, "NoTemplate", `spec.templateRef.name: there is no OperationTemplate "nextclout-backup"; for Backup there are: backup-velero, nextcloud-backup`},
		"by name, for another":       {Request{Operation: operation(backup, "", "nextcloud-backup"), Instance: odoo}, []opsv1alpha1.OperationTemplate{special}, "NoTemplate", "is not for ApplicationInstance erp"},
		"by name, of another type":   {Request{Operation: operation(opsv1alpha1.TypeRestore, "", "backup-velero")}, []opsv1alpha1.OperationTemplate{general}, "ValidationFailed", "spec.type: Forbidden: OperationTemplate backup-velero is for Backup"},
		"by name, on another engine": {Request{Operation: operation(backup, job, "backup-velero")}, []opsv1alpha1.OperationTemplate{general}, "ValidationFailed", "leave spec.engine out"},
		"in its namespace":           {Request{Operation: operation(backup, velero, ""), Engine: velero}, []opsv1alpha1.OperationTemplate{template("a", backup, velero, inShops), template("b", backup, velero, inBanks)}, "a", ""},
		"by name, not in ours":       {Request{Operation: operation(backup, velero, "b")}, []opsv1alpha1.OperationTemplate{template("b", backup, velero, inBanks)}, "NamespaceNotAllowed", "it is for banks"},
		"broken":                     {Request{Operation: operation(backup, velero, ""), Engine: velero}, []opsv1alpha1.OperationTemplate{template("a", backup, velero, broken)}, "TemplateInvalid", "OperationTemplate a: spec.inputSchema"},
		"a broken one beside":        {Request{Operation: operation(backup, velero, ""), Engine: velero}, []opsv1alpha1.OperationTemplate{general, template("a", backup, velero, broken)}, "backup-velero", ""},
		"by name, broken":            {Request{Operation: operation(backup, velero, "a")}, []opsv1alpha1.OperationTemplate{template("a", backup, velero, broken)}, "TemplateInvalid", "spec.inputSchema"},
		"by its release": {
			Request{Operation: operation(backup, velero, ""), Engine: velero, Instance: odoo, AgentKnows: true, Release: &metav1.ObjectMeta{Labels: map[string]string{"tier": "gold"}}},
			[]opsv1alpha1.OperationTemplate{general, template("gold", backup, velero, forGold)}, "gold", "",
		},
		"without a release": {
			Request{Operation: operation(backup, velero, "gold"), Instance: odoo, AgentKnows: true},
			[]opsv1alpha1.OperationTemplate{template("gold", backup, velero, forGold)}, "NoTemplate", "is not for",
		},
		"by its release, on the hub":       {Request{Operation: operation(backup, velero, "gold"), Instance: odoo}, []opsv1alpha1.OperationTemplate{template("gold", backup, velero, forGold)}, "gold", ""},
		"by its release, unnamed, the hub": {Request{Operation: operation(backup, velero, ""), Engine: velero, Instance: odoo}, []opsv1alpha1.OperationTemplate{general, template("gold", backup, velero, forGold)}, "backup-velero", ""},
	} {
		t.Run(name, func(t *testing.T) {
			found, problem := new(Book).Find(c.request, c.templates)
			got := names(found.All())
			if found.Open {
				got = "any of " + got
			}
			if problem != nil {
				got = problem.Reason
				if !strings.Contains(problem.Message, c.message) {
					t.Errorf("it says %q, and not %q", problem.Message, c.message)
				}
			}
			if got != c.want {
				t.Errorf("found %q (%v), want %q", got, problem, c.want)
			}
		})
	}
}

// TestFindByDigest: a template that has changed since it was asked for is not followed, and one that was compiled before is compiled anew.
func TestFindByDigest(t *testing.T) {
	book := new(Book)
	before := template("b", opsv1alpha1.TypeBackup, opsv1alpha1.EngineVelero)
	found, problem := book.Find(Request{Operation: operation(opsv1alpha1.TypeBackup, "", "b")}, []opsv1alpha1.OperationTemplate{before})
	if problem != nil {
		t.Fatal(problem)
	}
	op := operation(opsv1alpha1.TypeBackup, "", "")
	op.Spec.TemplateRef = found.One().Reference()
	if _, problem := book.Find(Request{Operation: op}, []opsv1alpha1.OperationTemplate{before}); problem != nil {
		t.Errorf("the same template: %v", problem)
	}
	after := *before.DeepCopy()
	after.Generation, after.Spec.Exclusive = 2, true
	if _, problem := book.Find(Request{Operation: op}, []opsv1alpha1.OperationTemplate{after}); problem == nil || problem.Reason != opsv1alpha1.ReasonTemplateChanged {
		t.Errorf("a changed template: %v", problem)
	}
}
