// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// hookJob is a hook's Job as engine helmHookJob plans it: untyped, with a pod that the chart wrote.
func hookJob(namespace, name string, podSpec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"template": map[string]any{"spec": podSpec}}}}
	u.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// container of a chart that says nothing about security.
func container(more map[string]any) map[string]any {
	c := map[string]any{"name": "main", "image": "registry.example.com/x"}
	for k, v := range more {
		c[k] = v
	}
	return map[string]any{"restartPolicy": "Never", "containers": []any{c}}
}

func also(spec map[string]any, key string, value any) map[string]any {
	spec[key] = value
	return spec
}

// restrictedHook is what a hook has to be where nobody has allowed more.
func restrictedHook() map[string]any {
	return also(container(map[string]any{"securityContext": map[string]any{
		"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}},
	}}), "securityContext", map[string]any{"runAsNonRoot": true, "seccompProfile": map[string]any{"type": "RuntimeDefault"}})
}

// TestHookPods: what a chart's hook may ask for, with the label and without.
func TestHookPods(t *testing.T) {
	privileged := map[string]any{"securityContext": map[string]any{"privileged": true}}
	for name, c := range map[string]struct {
		spec                 map[string]any
		restricted, baseline string // what is said, or nothing
	}{
		"restricted":      {restrictedHook(), "", ""},
		"silent":          {container(nil), `allowPrivilegeEscalation != false (container "main" must set`, ""},
		"as root":         {also(restrictedHook(), "securityContext", map[string]any{"runAsUser": int64(0)}), "runAsNonRoot != true", ""},
		"privileged":      {container(privileged), "privileged", "privileged (container \"main\" must not set securityContext.privileged=true)"},
		"host path":       {also(restrictedHook(), "volumes", []any{map[string]any{"name": "v", "hostPath": map[string]any{"path": "/"}}}), "hostPath", "hostPath volumes (volume \"v\")"},
		"host network":    {also(restrictedHook(), "hostNetwork", true), "hostNetwork=true", "host namespaces (hostNetwork=true)"},
		"host PID":        {also(restrictedHook(), "hostPID", true), "hostPID=true", "hostPID=true"},
		"init container":  {also(restrictedHook(), "initContainers", []any{map[string]any{"name": "first", "securityContext": map[string]any{"privileged": true}}}), "first", "first"},
		"added rights":    {container(map[string]any{"securityContext": map[string]any{"capabilities": map[string]any{"add": []any{"SYS_ADMIN"}}}}), "SYS_ADMIN", "SYS_ADMIN"},
		"a secret by env": {also(restrictedHook(), "volumes", []any{map[string]any{"name": "v", "secret": map[string]any{"secretName": "s"}}}), "", ""},
	} {
		found, err := podsIn(k8s.Scheme(), []client.Object{hookJob("shop", "hook", c.spec)})
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v %v", name, found, err)
		}
		for labels, want := range map[string]string{"": c.restricted, opsv1alpha1.HookPodSecurityBaseline: c.baseline, "privileged": c.restricted} {
			f := startable()
			f.pods, f.podLevel = found, podLevel(map[string]string{opsv1alpha1.LabelHookPodSecurity: labels})
			b := firstBlocker(f)
			switch {
			case want == "" && b != nil:
				t.Errorf("%s, label %q: %+v", name, labels, b)
			case want != "" && (b == nil || b.reason != opsv1alpha1.ReasonPodNotRestricted || !strings.Contains(b.message, want)):
				t.Errorf("%s, label %q: %+v, want %q", name, labels, b, want)
			case want != "" && strings.Contains(b.message, "label namespace shop ops.vworkspace.io/hook-pod-security=baseline") != (f.podLevel == podsecurity.LevelRestricted):
				t.Errorf("%s, label %q: says how to allow it, where that does not help, or does not say it: %s", name, labels, b.message)
			}
		}
	}
}

// TestUnreadablePod: what cannot be judged is not started, and no value of the chart is told.
func TestUnreadablePod(t *testing.T) {
	_, err := podsIn(k8s.Scheme(), []client.Object{hookJob("shop", "hook", map[string]any{"containers": "canary-4711"})})
	var b *engines.BlockedError
	if !errors.As(err, &b) || b.Reason != opsv1alpha1.ReasonPodNotRestricted || strings.Contains(b.Message, "canary") {
		t.Error(err)
	}
}

// TestAccountLent: in the agent's own namespace no pod gets the token of an account that has rights.
func TestAccountLent(t *testing.T) {
	mover := volsyncv1alpha1.MoverConfig{MoverServiceAccount: ptr.To("vworkspace-agent")}
	job := func(account string) client.Object {
		return &batchv1.Job{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{ServiceAccountName: account}}}}
	}
	for name, c := range map[string]struct {
		obj     client.Object
		refused bool
	}{
		"the agent's":                 {job("vworkspace-agent"), true},
		"an executor's":               {job(opsv1alpha1.OperationExecutor), true},
		"any other":                   {job("else"), true},
		"by its old name":             {hookJob("", "", map[string]any{"serviceAccount": "vworkspace-agent"}), true},
		"the runner's":                {job(engines.DefaultServiceAccount), false},
		"the namespace's":             {job(""), false},
		"a workflow's":                {&wfv1.Workflow{Spec: wfv1.WorkflowSpec{ServiceAccountName: "vworkspace-agent"}}, true},
		"a workflow template's":       {&wfv1.Workflow{}, true},
		"a workflow with the runner":  {&wfv1.Workflow{Spec: wfv1.WorkflowSpec{ServiceAccountName: engines.DefaultServiceAccount}}, false},
		"a mover's":                   {&volsyncv1alpha1.ReplicationSource{Spec: volsyncv1alpha1.ReplicationSourceSpec{Restic: &volsyncv1alpha1.ReplicationSourceResticSpec{MoverConfig: mover}}}, true},
		"a restoring mover's":         {&volsyncv1alpha1.ReplicationDestination{Spec: volsyncv1alpha1.ReplicationDestinationSpec{Restic: &volsyncv1alpha1.ReplicationDestinationResticSpec{MoverConfig: mover}}}, true},
		"a mover with VolSync's own":  {&volsyncv1alpha1.ReplicationSource{}, false},
		"something that has no pods":  {&corev1.PersistentVolumeClaim{}, false},
		"a kind that nobody knows of": {testKind("Widget"), false},
	} {
		found, err := podsIn(k8s.Scheme(), []client.Object{c.obj})
		if err != nil {
			t.Fatal(err)
		}
		f := facts{op: on(opsv1alpha1.DefaultAgentNamespace, "op", "web", opsv1alpha1.TypeBackup), agentNamespace: opsv1alpha1.DefaultAgentNamespace, pods: found}
		if b := accountLent(f); (b != nil) != c.refused {
			t.Errorf("%s: %+v", name, b)
		}
		f.op = on("shop", "op", "web", opsv1alpha1.TypeBackup)
		if b := accountLent(f); b != nil {
			t.Errorf("%s, in another namespace, where the agent has no account: %+v", name, b)
		}
	}
}

// TestNothingUnjudgedIsCreated: whatever an engine plans after the run has started, each object is asked about when it would be created.
func TestNothingUnjudgedIsCreated(t *testing.T) {
	ns := gatedNamespace(t)
	anybody := func(*rest.Config, client.Options) (client.Client, error) { return k8s, nil }
	s := &site{Client: k8s, live: k8s, agentNamespace: opsv1alpha1.DefaultAgentNamespace, hands: &hands{
		config: restConfig, make: anybody, options: client.Options{HTTPClient: http.DefaultClient}, kept: map[account]client.Client{}}}
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	op.Status.Engine = opsv1alpha1.EngineHelmHookJob
	v := newVisit(s, op, clock.RealClock{})
	run := engines.Run{Operation: op}
	changes := []engines.Change{
		engines.Create(hookJob(ns, "first", restrictedHook())), engines.Create(hookJob(ns, "second", container(nil))),
	}
	refuses := func(reason string) {
		t.Helper()
		_, refused, err := v.putAll(t.Context(), changes, run)
		if err != nil || refused == nil || refused.reason != reason {
			t.Fatalf("%+v %v", refused, err)
		}
		var made batchv1.JobList
		if err := k8s.List(t.Context(), &made, client.InNamespace(ns)); err != nil || len(made.Items) > 0 {
			t.Errorf("%v: %d Jobs were created", err, len(made.Items))
		}
	}
	refuses(opsv1alpha1.ReasonPodNotRestricted)
	label(t, ns, opsv1alpha1.LabelHookPodSecurity, opsv1alpha1.HookPodSecurityBaseline)
	restrict(t, opsv1alpha1.AgentPolicySpec{Images: []string{"elsewhere.example/"}})
	refuses(opsv1alpha1.ReasonLocalVeto)
	restrict(t, opsv1alpha1.AgentPolicySpec{Images: []string{"registry.example.com/"}})
	if made, refused, err := v.putAll(t.Context(), changes, run); err != nil || refused != nil || len(made) != 2 {
		t.Errorf("%v %+v %v", made, refused, err)
	}
}

func label(t *testing.T, namespace, key, value string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	patch(t, ns, func() { ns.Labels[key] = value })
}

// TestPodNotRestricted: engine job's own pod is restricted, and parameters that would make it anything else keep it from starting.
func TestPodNotRestricted(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", opsv1alpha1.EngineJob)
	op := on(ns, "op", "web", opsv1alpha1.TypeRunCommand)
	op.Spec.Parameters = parameters(t, `{"image":"x","podAnnotations":{"container.apparmor.security.beta.kubernetes.io/main":"unconfined"}}`)
	create(t, op)
	says(t, blockedFrom(t, op, opsv1alpha1.ReasonPodNotRestricted), "forbidden AppArmor profile")
}
