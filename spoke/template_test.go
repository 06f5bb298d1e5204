// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
)

// listed puts a template for Backups on Widgets into the catalog for the time of the test. Its selector matches nothing, so that only those follow it
// that name it.
func listed(t *testing.T, change func(*opsv1alpha1.OperationTemplateSpec)) *opsv1alpha1.OperationTemplate {
	t.Helper()
	template := &opsv1alpha1.OperationTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: strings.ToLower(strings.NewReplacer("/", "-", "_", "-", ",", "").Replace(t.Name()))},
		Spec:       opsv1alpha1.OperationTemplateSpec{Type: opsv1alpha1.TypeBackup, Engine: widgetName},
	}
	template.Spec.TargetSelector = &opsv1alpha1.TargetSelector{CatalogIDs: []string{template.Name}}
	if change != nil {
		change(&template.Spec)
	}
	create(t, template)
	t.Cleanup(func() { _ = client.IgnoreNotFound(k8s.Delete(context.Background(), template)) }) // the test's own context is over by then
	return template
}

// instanceOf makes an instance that a template of listed is for.
func instanceOf(t *testing.T, namespace string, template *opsv1alpha1.OperationTemplate) {
	t.Helper()
	ai := capable(t, namespace, "web", widgetName)
	patch(t, ai, func() { ai.Spec.AppRef.CatalogID = template.Name })
}

// following is a Backup that names the template.
func following(namespace string, template *opsv1alpha1.OperationTemplate) *opsv1alpha1.Operation {
	op := on(namespace, "op", "web", opsv1alpha1.TypeBackup)
	op.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: template.Name}
	return op
}

func TestTemplateComesLater(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	op.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: "testtemplatecomeslater"}
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonNoTemplate)
	says(t, op, `spec.templateRef.name: there is no OperationTemplate "testtemplatecomeslater"`, "backup-workflow")
	template := listed(t, func(s *opsv1alpha1.OperationTemplateSpec) {
		s.TargetSelector = &opsv1alpha1.TargetSelector{Annotations: map[string]string{"nobody": ""}}
	})
	says(t, op, "is not for ApplicationInstance web")
	patch(t, template, func() { template.Spec.TargetSelector = nil })
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	if s := op.Status.Template; s == nil || s.Name != template.Name || len(s.Digest) != 64 {
		t.Errorf("status.template is %+v", s)
	}
}

// TestTemplateOfTheTarget: the one that is for the target wins, without being named, and its defaults are what the engine sees.
func TestTemplateOfTheTarget(t *testing.T) {
	ns := gatedNamespace(t)
	template := listed(t, func(s *opsv1alpha1.OperationTemplateSpec) { s.Defaults = parameters(t, `{"steps":2}`) })
	instanceOf(t, ns, template)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	play(t, widgetOf(t, op), map[string]any{"phase": "Done"})
	eventually(t, func() string {
		if n := len(widgetsOf(t, op)); n != 2 {
			return fmt.Sprintf("%d steps", n)
		}
		return ""
	})
	if s := reload(t, op).Status.Template; s == nil || s.Name != template.Name {
		t.Errorf("status.template is %+v", s)
	}
	if op.Spec.Parameters != nil {
		t.Errorf("the defaults were written into the spec: %s", op.Spec.Parameters.Raw)
	}
}

// TestTemplateChangedDuringARun: a run goes by what it started with.
func TestTemplateChangedDuringARun(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *opsv1alpha1.OperationTemplate){
		"changed": func(t *testing.T, template *opsv1alpha1.OperationTemplate) {
			patch(t, template, func() {
				template.Spec.Defaults, template.Spec.InputSchema = parameters(t, `{"steps":5}`), parameters(t, `{"not":{}}`)
			})
		},
		"deleted": func(t *testing.T, template *opsv1alpha1.OperationTemplate) {
			if err := k8s.Delete(t.Context(), template); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			template := listed(t, func(s *opsv1alpha1.OperationTemplateSpec) { s.Defaults = parameters(t, `{"steps":2}`) })
			instanceOf(t, ns, template)
			op := following(ns, template)
			create(t, op)
			first := widgetOf(t, op)
			digest := reload(t, op).Status.Template.Digest
			change(t, template)
			play(t, first, map[string]any{"phase": "Done"})
			eventually(t, func() string {
				for _, w := range widgetsOf(t, op) {
					if w.GetUID() != first.GetUID() {
						play(t, &w, map[string]any{"phase": "Done"})
						return ""
					}
				}
				return "the second step was not made"
			})
			reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
			if n := len(widgetsOf(t, op)); n > 2 || op.Status.Template.Digest != digest {
				t.Errorf("%d steps, digest %s, which was %s", n, op.Status.Template.Digest, digest)
			}
		})
	}
}

// TestTemplateSwapped: what the hub has checked and sent by its digest is not run by another template of that name.
func TestTemplateSwapped(t *testing.T) {
	ns := gatedNamespace(t)
	template := listed(t, nil)
	instanceOf(t, ns, template)
	asked, errs := catalog.Compile(template.DeepCopy())
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	patch(t, template, func() { template.Spec.Defaults = parameters(t, `{"steps":9}`) })
	op := following(ns, template)
	op.Spec.TemplateRef = asked.Reference()
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonTemplateChanged)
	patch(t, template, func() { template.Spec.Defaults = nil })
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestTemplateRefuses: what a template does not allow ends at once, or waits, in words that name the field.
func TestTemplateRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*opsv1alpha1.OperationTemplateSpec)
		op     func(*opsv1alpha1.Operation)
		phase  opsv1alpha1.OperationPhase
		reason string
		words  string
	}{
		"schema": {
			func(s *opsv1alpha1.OperationTemplateSpec) {
				s.InputSchema = parameters(t, `{"properties":{"steps":{"maximum":3}}}`)
			},
			func(op *opsv1alpha1.Operation) { op.Spec.Parameters = parameters(t, `{"steps":4}`) },
			opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed, "spec.parameters.steps",
		},
		"schema, by its own defaults": {
			func(s *opsv1alpha1.OperationTemplateSpec) {
				s.InputSchema, s.Defaults = parameters(t, `{"required":["nothing"],"properties":{"steps":{"maximum":3}}}`), parameters(t, `{"steps":4,"nothing":true}`)
			}, nil, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed, "spec.parameters.steps",
		},
		"depth": {
			nil, func(op *opsv1alpha1.Operation) {
				op.Spec.Parameters = parameters(t, `{"steps":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}`)
			}, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed, "at most 32 deep",
		},
		"engine": {
			nil, func(op *opsv1alpha1.Operation) { op.Spec.Engine = stoppableName },
			opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed, "spec.engine: Forbidden: OperationTemplate",
		},
		"broken": {
			func(s *opsv1alpha1.OperationTemplateSpec) { s.InputSchema = parameters(t, `{"type":"nothing"}`) }, nil,
			opsv1alpha1.PhasePending, opsv1alpha1.ReasonTemplateInvalid, "spec.inputSchema",
		},
		"namespace": {
			func(s *opsv1alpha1.OperationTemplateSpec) { s.AllowedNamespaces = []string{"banks"} }, nil,
			opsv1alpha1.PhasePending, opsv1alpha1.ReasonNamespaceNotAllowed, "it is for banks",
		},
		"rule": {
			func(s *opsv1alpha1.OperationTemplateSpec) {
				s.Preconditions = &opsv1alpha1.TemplatePreconditions{Rules: []opsv1alpha1.TemplateRule{{Expression: "instance.metadata.labels[?'tier'].orValue('') == 'gold'", Message: "gold only"}}}
			}, nil, opsv1alpha1.PhasePending, opsv1alpha1.ReasonPreconditionFailed, "cannot be evaluated",
		},
		"kind": {
			func(s *opsv1alpha1.OperationTemplateSpec) {
				s.Preconditions = &opsv1alpha1.TemplatePreconditions{KindsServed: []string{"Cluster.postgresql.cnpg.io/v1"}}
			}, nil, opsv1alpha1.PhasePending, opsv1alpha1.ReasonPreconditionFailed, "does not serve Cluster.postgresql.cnpg.io/v1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			template := listed(t, c.change)
			instanceOf(t, ns, template)
			op := following(ns, template)
			if c.op != nil {
				c.op(op)
			}
			create(t, op)
			reaches(t, op, c.phase, c.reason)
			says(t, op, c.words)
			if n := len(widgetsOf(t, op)); n > 0 {
				t.Errorf("%d Widgets were made", n)
			}
		})
	}
}

// TestTemplateWindow: a run waits for its window, however long, and then starts by itself.
func TestTemplateWindow(t *testing.T) {
	agentClock.resetAfter(t)
	ns := gatedNamespace(t)
	opens := agentClock.Now().UTC().Add(2 * time.Hour)
	template := listed(t, func(s *opsv1alpha1.OperationTemplateSpec) {
		s.MaintenanceWindow = &opsv1alpha1.Window{Schedule: fmt.Sprintf("%d %d * * *", opens.Minute(), opens.Hour()), Duration: *seconds(3600)}
	})
	instanceOf(t, ns, template)
	op := following(ns, template)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonOutsideMaintenanceWindow)
	says(t, op, "opens at "+opens.Truncate(time.Minute).Format(time.RFC3339))
	agentClock.forward(90 * time.Minute) // longer than the start deadline
	patch(t, op, func() { op.Annotations = map[string]string{"look": "again"} })
	blockedFrom(t, op, opsv1alpha1.ReasonOutsideMaintenanceWindow)
	agentClock.forward(31 * time.Minute)
	patch(t, op, func() { op.Annotations["look"] = "once more" })
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestTemplateSecrets: the agent may not look until somebody lets it; then it sees that the Secret is missing; then it starts.
func TestTemplateSecrets(t *testing.T) {
	ns := gatedNamespace(t)
	template := listed(t, func(s *opsv1alpha1.OperationTemplateSpec) {
		s.Preconditions = &opsv1alpha1.TemplatePreconditions{SecretsPresent: []string{"restic"}}
	})
	instanceOf(t, ns, template)
	op := following(ns, template)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonRbacProfileMissing)
	says(t, op, "kubectl create role vworkspace-secrets-present -n "+ns+" --verb=get --resource=secrets --resource-name=restic")
	role := metav1.ObjectMeta{Namespace: ns, Name: "vworkspace-secrets-present"}
	create(t, &rbacv1.Role{ObjectMeta: role, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"restic"}, Verbs: []string{"get"}}}})
	create(t, &rbacv1.RoleBinding{
		ObjectMeta: role, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "system:serviceaccount:vworkspace-agent:vworkspace-agent"}},
	})
	blockedFrom(t, op, opsv1alpha1.ReasonMissingSecret)
	says(t, op, "Secret restic does not exist in namespace "+ns)
	create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "restic"}})
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestTemplateExclusive: two commands run beside each other, unless the template of one says that nothing does.
func TestTemplateExclusive(t *testing.T) {
	ns := gatedNamespace(t)
	template := listed(t, func(s *opsv1alpha1.OperationTemplateSpec) { s.Type, s.Exclusive = opsv1alpha1.TypeRunCommand, true })
	instanceOf(t, ns, template)
	first := on(ns, "first", "web", opsv1alpha1.TypeRunCommand)
	first.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: template.Name}
	create(t, first)
	widgetOf(t, first)
	second := on(ns, "second", "web", opsv1alpha1.TypeRunCommand)
	second.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: "runcommand-workflow"}
	create(t, second)
	blockedFrom(t, second, opsv1alpha1.ReasonConflictingOperation)
	finish(t, first)
	finish(t, second)
	reaches(t, second, opsv1alpha1.PhaseSucceeded, "")
}

// TestTemplateReadyPolicy: the template decides whether its target has to be Ready.
func TestTemplateReadyPolicy(t *testing.T) {
	ready, ignored := opsv1alpha1.ReadyRequired, opsv1alpha1.ReadyIgnored
	for name, c := range map[string]struct {
		typ    opsv1alpha1.OperationType
		policy opsv1alpha1.ReadyPolicy
		needs  bool
	}{
		"Backup": {opsv1alpha1.TypeBackup, "", true}, "Backup, ignored": {opsv1alpha1.TypeBackup, ignored, false},
		"Upgrade": {opsv1alpha1.TypeUpgrade, "", false}, "Upgrade, required": {opsv1alpha1.TypeUpgrade, ready, true},
	} {
		f := facts{op: on("shop", "op", "web", c.typ), template: &catalog.Entry{Template: &opsv1alpha1.OperationTemplate{}}}
		f.template.Template.Spec.Preconditions = &opsv1alpha1.TemplatePreconditions{TargetReady: c.policy}
		if f.needsReady() != c.needs {
			t.Errorf("%s: needs ready %t", name, f.needsReady())
		}
	}
}
