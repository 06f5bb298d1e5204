// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
)

// TestLastWord: every field of an AgentPolicy, what it allows, and the message for what it does not.
func TestLastWord(t *testing.T) {
	const allowed = ""
	const only, who = " of the AgentPolicy default of this cluster allows ", " only: whoever owns the cluster can allow it"
	uses := func(image string) func(*facts) {
		return func(f *facts) { f.pods = []pods{{what: "Workflow w"}, podUsing(image)} }
	}
	for name, c := range map[string]struct {
		policy  *opsv1alpha1.AgentPolicySpec
		with    func(*facts)
		reason  string
		message string
	}{
		"no policy":    {nil, uses("anything.example/x"), allowed, ""},
		"empty policy": {&opsv1alpha1.AgentPolicySpec{}, uses("anything.example/x"), allowed, ""},
		"type": {&opsv1alpha1.AgentPolicySpec{Types: []opsv1alpha1.OperationType{opsv1alpha1.TypeRestore, opsv1alpha1.TypeUpgrade}}, nil,
			opsv1alpha1.ReasonLocalVeto, "the type of this Operation is Backup, and spec.types" + only + "Restore, Upgrade" + who},
		"this type": {&opsv1alpha1.AgentPolicySpec{Types: []opsv1alpha1.OperationType{opsv1alpha1.TypeRestore, opsv1alpha1.TypeBackup}}, nil, allowed, ""},
		"engine": {&opsv1alpha1.AgentPolicySpec{Engines: []opsv1alpha1.OperationEngine{opsv1alpha1.EngineVelero}}, nil,
			opsv1alpha1.ReasonLocalVeto, "this Operation needs workflow, and spec.engines" + only + "velero" + who},
		"this engine": {&opsv1alpha1.AgentPolicySpec{Engines: []opsv1alpha1.OperationEngine{widgetName}}, nil, allowed, ""},
		"namespace": {&opsv1alpha1.AgentPolicySpec{Namespaces: []string{"shops"}}, nil,
			opsv1alpha1.ReasonLocalVeto, "this Operation is in shop, and spec.namespaces" + only + "shops" + who},
		"this namespace": {&opsv1alpha1.AgentPolicySpec{Namespaces: []string{"shop"}}, nil, allowed, ""},
		"template": {&opsv1alpha1.AgentPolicySpec{Templates: []string{"backup-velero"}}, byTemplate("backup", ""),
			opsv1alpha1.ReasonLocalVeto, "this Operation follows template backup, and spec.templates" + only + "backup-velero" + who},
		"no template": {&opsv1alpha1.AgentPolicySpec{Templates: []string{"backup-velero"}}, nil,
			opsv1alpha1.ReasonLocalVeto, "this Operation follows no template, and spec.templates" + only + "backup-velero" + who},
		"this template": {&opsv1alpha1.AgentPolicySpec{Templates: []string{"backup"}}, byTemplate("backup", ""), allowed, ""},
		"profile": {&opsv1alpha1.AgentPolicySpec{RBACProfiles: []string{"small"}}, byTemplate("x", "large"),
			opsv1alpha1.ReasonLocalVeto, "this Operation needs large, and spec.rbacProfiles" + only + "small" + who},
		"the engine's own profile": {&opsv1alpha1.AgentPolicySpec{RBACProfiles: []string{"small"}}, byTemplate("x", ""),
			opsv1alpha1.ReasonLocalVeto, "this Operation needs workflow, and spec.rbacProfiles" + only + "small" + who},
		"this profile, whatever its case": {&opsv1alpha1.AgentPolicySpec{RBACProfiles: []string{"helmHookJob"}}, byTemplate("x", "helmhookjob"), allowed, ""},
		"this profile":                    {&opsv1alpha1.AgentPolicySpec{RBACProfiles: []string{"small"}}, byTemplate("x", "small"), allowed, ""},
		"image": {&opsv1alpha1.AgentPolicySpec{Images: []string{"registry.example.com/tools/"}}, uses("registry.example.com/tools-evil/x"),
			opsv1alpha1.ReasonLocalVeto, "Job j uses registry.example.com/tools-evil/x, and spec.images" + only + "registry.example.com/tools/" + who},
		"this image": {&opsv1alpha1.AgentPolicySpec{Images: []string{"registry.example.com/tools/"}}, uses("registry.example.com/tools/x"), allowed, ""},
		"busy": {&opsv1alpha1.AgentPolicySpec{Busy: "month-end closing"}, nil, opsv1alpha1.ReasonClusterBusy,
			`nothing starts on this cluster while spec.busy is set in its AgentPolicy default ("month-end closing"); this one starts by itself when that is removed`},
		"frozen": {nil, func(f *facts) { f.frozen = blocked(opsv1alpha1.ReasonFrozen, "Freeze x holds it") }, opsv1alpha1.ReasonFrozen, "Freeze x holds it"},
		"busy, and not allowed either": {&opsv1alpha1.AgentPolicySpec{Busy: "x", Namespaces: []string{"shops"}}, nil,
			opsv1alpha1.ReasonLocalVeto, "this Operation is in shop, and spec.namespaces" + only + "shops" + who},
		"a long list": {&opsv1alpha1.AgentPolicySpec{Namespaces: []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}}, nil,
			opsv1alpha1.ReasonLocalVeto, "this Operation is in shop, and spec.namespaces" + only + "a, b, c, d, e, f, g, h, 2 more" + who},
	} {
		f := startable()
		f.policy = c.policy
		if c.with != nil {
			c.with(&f)
		}
		b := firstBlocker(f)
		if b == nil {
			b = &blocker{}
		}
		if b.reason != c.reason || b.message != c.message {
			t.Errorf("%s: %q %q,\nwant %q %q", name, b.reason, b.message, c.reason, c.message)
		}
		// The last look before the fence sees the same.
		again := slices.ContainsFunc(ownersRules, func(rule func(facts) *blocker) bool { return rule(f) != nil })
		if again != (c.reason != allowed) {
			t.Errorf("%s: before the fence it is %v", name, again)
		}
	}
}

// startable are facts by which nothing keeps a run from starting.
func startable() facts {
	op := on("shop", "op", "web", opsv1alpha1.TypeBackup)
	op.Spec.Engine = widgetName
	return facts{
		op: op, gated: true, target: capableFact(metav1.ConditionTrue), engine: widgetEngine{},
		agentNamespace: opsv1alpha1.DefaultAgentNamespace, podLevel: podsecurity.LevelRestricted,
	}
}

// byTemplate has a run follow a template with a profile of rights.
func byTemplate(name, profile string) func(*facts) {
	return func(f *facts) {
		f.template = &catalog.Entry{Template: &opsv1alpha1.OperationTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}}}
		f.template.Template.Spec.RBACProfile = profile
	}
}

// podUsing is a restricted pod.
func podUsing(image string) pods {
	no, yes := false, true
	return pods{what: "Job j", template: &corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		Containers: []corev1.Container{{Name: "main", Image: image, SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}}},
	}}}
}

// restrict makes the cluster's AgentPolicy, or changes it, and takes it away after the test.
func restrict(t *testing.T, spec opsv1alpha1.AgentPolicySpec) {
	t.Helper()
	p := &opsv1alpha1.AgentPolicy{ObjectMeta: metav1.ObjectMeta{Name: opsv1alpha1.AgentPolicyName}}
	made, err := controllerutil.CreateOrUpdate(t.Context(), k8s, p, func() error {
		p.Spec = spec
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if made == controllerutil.OperationResultCreated {
		t.Cleanup(func() {
			if err := k8s.Delete(context.Background(), p); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestVeto: each field keeps an Operation from starting on a real cluster, and one that it allows is started at once when it is changed.
func TestVeto(t *testing.T) {
	for name, c := range map[string]struct {
		engine       opsv1alpha1.OperationEngine
		params       string
		no, yes      opsv1alpha1.AgentPolicySpec
		reason, word string
	}{
		"types": {widgetName, `{}`, opsv1alpha1.AgentPolicySpec{Types: []opsv1alpha1.OperationType{opsv1alpha1.TypeRestore}},
			opsv1alpha1.AgentPolicySpec{Types: []opsv1alpha1.OperationType{opsv1alpha1.TypeRunCommand}}, opsv1alpha1.ReasonLocalVeto, "spec.types"},
		"engines": {widgetName, `{}`, opsv1alpha1.AgentPolicySpec{Engines: []opsv1alpha1.OperationEngine{opsv1alpha1.EngineJob}},
			opsv1alpha1.AgentPolicySpec{Engines: []opsv1alpha1.OperationEngine{widgetName}}, opsv1alpha1.ReasonLocalVeto, "spec.engines"},
		"namespaces": {widgetName, `{}`, opsv1alpha1.AgentPolicySpec{Namespaces: []string{"elsewhere"}},
			opsv1alpha1.AgentPolicySpec{}, opsv1alpha1.ReasonLocalVeto, "spec.namespaces"},
		"templates": {widgetName, `{}`, opsv1alpha1.AgentPolicySpec{Templates: []string{"nightly"}},
			opsv1alpha1.AgentPolicySpec{}, opsv1alpha1.ReasonLocalVeto, "spec.templates"},
		"rbacProfiles": {widgetName, `{}`, opsv1alpha1.AgentPolicySpec{RBACProfiles: []string{"job"}},
			opsv1alpha1.AgentPolicySpec{RBACProfiles: []string{string(widgetName)}}, opsv1alpha1.ReasonLocalVeto, "spec.rbacProfiles"},
		"images": {opsv1alpha1.EngineJob, `{"image":"registry.example.com/tools-evil/x"}`, opsv1alpha1.AgentPolicySpec{Images: []string{"registry.example.com/tools/"}},
			opsv1alpha1.AgentPolicySpec{Images: []string{"registry.example.com/tools-evil/x"}}, opsv1alpha1.ReasonLocalVeto, "spec.images"},
		"busy": {widgetName, `{}`, opsv1alpha1.AgentPolicySpec{Busy: "month-end closing"},
			opsv1alpha1.AgentPolicySpec{}, opsv1alpha1.ReasonClusterBusy, "month-end closing"},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			capable(t, ns, "web", c.engine)
			restrict(t, c.no)
			op := on(ns, "op", "web", opsv1alpha1.TypeRunCommand)
			op.Spec.Parameters = parameters(t, c.params)
			create(t, op)
			says(t, blockedFrom(t, op, c.reason), c.word)
			if op.Status.StartedAt != nil || len(op.Finalizers) > 0 {
				t.Error("it has begun all the same")
			}
			restrict(t, c.yes)
			reaches(t, op, opsv1alpha1.PhaseRunning, "")
		})
	}
}

// TestVetoCounts: a veto ends an Operation when its start deadline is over, a busy cluster does not.
func TestVetoCounts(t *testing.T) {
	agentClock.resetAfter(t)
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	restrict(t, opsv1alpha1.AgentPolicySpec{Busy: "closing"})
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	op.Spec.StartDeadline = seconds(60)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonClusterBusy)
	agentClock.forward(defaultStartDeadline * 10)
	restrict(t, opsv1alpha1.AgentPolicySpec{Busy: "closing still"})
	says(t, op, "closing still")
	if op.Status.Phase != opsv1alpha1.PhasePending {
		t.Errorf("it has not waited: %+v", op.Status)
	}
	restrict(t, opsv1alpha1.AgentPolicySpec{Namespaces: []string{"elsewhere"}})
	blockedFrom(t, op, opsv1alpha1.ReasonLocalVeto)
	agentClock.forward(defaultStartDeadline)
	restrict(t, opsv1alpha1.AgentPolicySpec{Namespaces: []string{"elsewhere", "and-there"}})
	says(t, reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonLocalVeto), "not started within 1m0s", "spec.namespaces")
}

// TestVetoBelow: an Operation for many instances expands, and each of those below is asked about.
func TestVetoBelow(t *testing.T) {
	here, there := gatedNamespace(t), gatedNamespace(t)
	for _, ns := range []string{here, there} {
		capable(t, ns, "web", widgetName)
	}
	restrict(t, opsv1alpha1.AgentPolicySpec{Namespaces: []string{here}})
	op := selecting(opsv1alpha1.DefaultAgentNamespace, "veto-"+here, opsv1alpha1.InstanceSelector{Namespaces: []string{here, there}})
	create(t, op)
	says(t, op, "LocalVeto: this Operation is in "+there+", and spec.namespaces")
	if c := op.Status.Summary.Instances; c.Blocked != 1 || c.Total != 2 {
		t.Errorf("%+v", c)
	}
}

// TestWhatRunsGoesOn when the policy forbids it afterwards.
func TestWhatRunsGoesOn(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	op.Spec.Parameters = parameters(t, `{"steps":2}`)
	create(t, op)
	first := widgetAs(t, op, "", 1)
	restrict(t, opsv1alpha1.AgentPolicySpec{Busy: "closing", Types: []opsv1alpha1.OperationType{opsv1alpha1.TypeRestore}})
	later := on(ns, "later", "web", opsv1alpha1.TypeBackup)
	create(t, later)
	blockedFrom(t, later, opsv1alpha1.ReasonLocalVeto)
	done(t, first)
	done(t, widgetAs(t, op, "", 2))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestVetoQuiesce: what brings an application to rest is asked about before the run, by its own engine and image.
func TestVetoQuiesce(t *testing.T) {
	for name, c := range map[string]struct {
		policy opsv1alpha1.AgentPolicySpec
		words  []string
	}{
		"engine": {opsv1alpha1.AgentPolicySpec{Engines: []opsv1alpha1.OperationEngine{stoppableName}}, []string{"engine job is to quiesce", "spec.engines"}},
		"image":  {opsv1alpha1.AgentPolicySpec{Images: []string{"registry.example.com/tools/"}}, []string{"engine job is to quiesce", "elsewhere.example/x", "spec.images"}},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			quiescible(t, ns, map[string]string{
				opsv1alpha1.CapabilityQuiesce: string(opsv1alpha1.EngineJob), opsv1alpha1.AnnotationQuiesceParameters: `{"image":"elsewhere.example/x"}`,
				opsv1alpha1.AnnotationUnquiesceParameters: `{"image":"elsewhere.example/x"}`,
			})
			restrict(t, c.policy)
			op := quiescing(t, ns, "op")
			create(t, op)
			says(t, blockedFrom(t, op, opsv1alpha1.ReasonLocalVeto), c.words...)
			restrict(t, opsv1alpha1.AgentPolicySpec{})
			reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonPreparing)
		})
	}
}

// TestPolicyIsNamedDefault: another one would be taken for it and is not heeded, so the API server refuses it.
func TestPolicyIsNamedDefault(t *testing.T) {
	err := k8s.Create(t.Context(), &opsv1alpha1.AgentPolicy{ObjectMeta: metav1.ObjectMeta{Name: "other"}})
	if err == nil {
		t.Fatal("it was taken")
	}
}
