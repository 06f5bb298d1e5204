// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// asAgent is who the agent is.
func asAgent(t *testing.T) client.Client {
	t.Helper()
	return clientOf(t, agentConfig)
}

func clientOf(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{Scheme: k8s.Scheme(), Mapper: k8s.RESTMapper()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asProfile is whom the agent writes as.
func asProfile(t *testing.T, ns, profile string) client.Client {
	t.Helper()
	agent, err := rest.HTTPClientFor(agentConfig)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(agentConfig, client.Options{Scheme: k8s.Scheme(), Mapper: k8s.RESTMapper(), HTTPClient: actingAs(agent, account{ns, profile})})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// profileBinding is what the agent makes.
func profileBinding(ns, profile string) *rbacv1.RoleBinding {
	role := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: opsv1alpha1.ProfileRole(profile), UID: "of-the-role"}}
	return bindingFor(account{ns, profile}, role)
}

// bindProfile as an administrator would, and wait until that is so.
func bindProfile(t *testing.T, ns, profile string) {
	t.Helper()
	b := profileBinding(ns, profile)
	b.OwnerReferences = nil
	create(t, b)
}

// TestAgentMakesOnlyProfiles: RBAC lets the agent make any ServiceAccount and any RoleBinding to what it may bind. The policies do not.
func TestAgentMakesOnlyProfiles(t *testing.T) {
	policies := filepath.Join("..", "deploy", "policies")
	if err := testbed.ApplyFiles(t.Context(), restConfig, filepath.Join(policies, "gate.yaml"), filepath.Join(policies, "profiles.yaml")); err != nil {
		t.Fatal(err)
	}
	agent, open, shut := asAgent(t), gatedNamespace(t), namespace(t, false)
	sa := func(ns, name string) client.Object {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	}
	bent := func(bend func(*rbacv1.RoleBinding)) client.Object {
		b := profileBinding(open, "job")
		bend(b)
		return b
	}
	for name, c := range map[string]struct {
		object client.Object
		says   string
	}{
		"an account where it is shut": {sa(shut, "vworkspace-job"), "is not open to vWorkspace"},
		"a binding where it is shut":  {profileBinding(shut, "job"), "is not open to vWorkspace"},
		"another account":             {sa(open, "vworkspace-operation-runner"), "profile-accounts.vworkspace.io"},
		"a name of its own":           {bent(func(b *rbacv1.RoleBinding) { b.Name = "mine" }), "profile-bindings.vworkspace.io"},
		"the role of another profile": {bent(func(b *rbacv1.RoleBinding) { b.RoleRef.Name = "vworkspace-profile-helm" }), "profile-bindings.vworkspace.io"},
		"the account of another":      {bent(func(b *rbacv1.RoleBinding) { b.Subjects[0].Name = "vworkspace-helm" }), "profile-bindings.vworkspace.io"},
		"the account of elsewhere":    {bent(func(b *rbacv1.RoleBinding) { b.Subjects[0].Namespace = shut }), "profile-bindings.vworkspace.io"},
		"somebody else besides":       {bent(func(b *rbacv1.RoleBinding) { b.Subjects = append(b.Subjects, b.Subjects[0]) }), "profile-bindings.vworkspace.io"},
		"a group": {bent(func(b *rbacv1.RoleBinding) {
			b.Subjects[0] = rbacv1.Subject{Kind: "Group", APIGroup: rbacv1.GroupName, Name: "vworkspace-job"}
		}), "profile-bindings.vworkspace.io"},
		"nobody":                       {bent(func(b *rbacv1.RoleBinding) { b.Subjects = nil }), "profile-bindings.vworkspace.io"},
		"a role that is not a profile": {bent(func(b *rbacv1.RoleBinding) { b.RoleRef.Name = "admin" }), "forbidden"},
	} {
		refused(t, name, agent, c.object, c.says)
	}
	// By now all policies are in force.
	for _, o := range []client.Object{sa(open, "vworkspace-job"), profileBinding(open, "job")} {
		if err := agent.Create(t.Context(), o, client.DryRunAll); err != nil {
			t.Errorf("a profile's own %T: %v", o, err)
		}
	}
	// People are not bound by this.
	if err := k8s.Create(t.Context(), sa(shut, "other"), client.DryRunAll); err != nil {
		t.Errorf("a ServiceAccount by somebody else: %v", err)
	}
	rightsAreTheAgents(t, open)
}

// rightsAreTheAgents: who may impersonate the ServiceAccounts of a namespace, or run pods as them, gets nothing by it.
func rightsAreTheAgents(t *testing.T, ns string) {
	t.Helper()
	bindProfile(t, ns, "job")
	tenant := rest.CopyConfig(restConfig)
	tenant.Impersonate.UserName = opsv1alpha1.ProfileUser(ns, "job")
	eventually(t, func() string {
		err := asProfile(t, ns, "job").Create(t.Context(), gateJob(ns), client.DryRunAll)
		if err != nil {
			return "the agent may not: " + err.Error()
		}
		return ""
	})
	refused(t, "a Job by the ServiceAccount, but not by the agent", clientOf(t, tenant), gateJob(ns), "are the agent's to use: run an Operation")
}

// refused waits until somebody may not make an object, for a reason in these words: each policy is in force a moment after it was made.
func refused(t *testing.T, what string, by client.Client, object client.Object, words string) {
	t.Helper()
	eventually(t, func() string {
		err := by.Create(t.Context(), object.DeepCopyObject().(client.Object), client.DryRunAll)
		if apierrors.IsForbidden(err) && strings.Contains(err.Error(), words) {
			return ""
		}
		return fmt.Sprintf("%s is not refused as %q: %v", what, words, err)
	})
}

// TestProfileChangesNoBackup: of what Velero works on the agent changes annotations, by which it reminds Velero of it, and nothing else.
func TestProfileChangesNoBackup(t *testing.T) {
	if err := testbed.ApplyFiles(t.Context(), restConfig, filepath.Join("..", "deploy", "policies", "profiles.yaml")); err != nil {
		t.Fatal(err)
	}
	ns := namespace(t, false)
	narrow(t, ns, "velero", rbacv1.PolicyRule{APIGroups: []string{"velero.io"}, Resources: []string{"backups"}, Verbs: []string{"create", "patch"}})
	backup := func() *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{
			"spec": map[string]any{"includedNamespaces": []any{"shops"}}, "status": map[string]any{"phase": "ReadyToStart"},
		}}
		u.SetAPIVersion("velero.io/v1")
		u.SetKind("Backup")
		u.SetNamespace(ns)
		u.SetName("nightly")
		return u
	}
	create(t, backup())
	bare := backup()
	delete(bare.Object, "spec")
	delete(bare.Object, "status")
	bare.SetName("bare")
	create(t, bare)
	profile := asProfile(t, ns, "velero")
	send := func(name, change string) error {
		u := backup()
		u.SetName(name)
		return profile.Patch(t.Context(), u, client.RawPatch(types.MergePatchType, []byte(change)), client.DryRunAll)
	}
	eventually(t, func() string {
		if err := send("nightly", `{"spec":{"ttl":"1h"}}`); err == nil || !strings.Contains(err.Error(), "profile-changes.vworkspace.io") {
			return fmt.Sprintf("the policy is not in force yet: %v", err)
		}
		return ""
	})
	for name, c := range map[string]struct {
		backup, change string
		may            bool
	}{
		"an annotation":                 {"nightly", `{"metadata":{"annotations":{"a":"b"}}}`, true},
		"an annotation of an empty one": {"bare", `{"metadata":{"annotations":{"a":"b"}}}`, true},
		"the first of the spec":         {"bare", `{"spec":{"ttl":"1h"}}`, false},
		"the spec taken away":           {"nightly", `{"spec":null}`, false},
		"the status":                    {"nightly", `{"status":{"phase":"InProgress"}}`, false},
		"the first of the status":       {"bare", `{"status":{"phase":"InProgress"}}`, false},
		"a label":                       {"nightly", `{"metadata":{"labels":{"a":"b"}}}`, false},
	} {
		if err := send(c.backup, c.change); (err == nil) != c.may {
			t.Errorf("%s: %v, want it taken: %v", name, err, c.may)
		}
	}
	// Velero is not bound by this.
	u := backup()
	if err := k8s.Patch(t.Context(), u, client.RawPatch(types.MergePatchType, []byte(`{"status":{"phase":"InProgress"}}`))); err != nil {
		t.Errorf("a change by somebody else: %v", err)
	}
}

// TestAgentIsNobodyElse: what the agent may say that it is are the profiles' ServiceAccounts.
func TestAgentIsNobodyElse(t *testing.T) {
	ns := gatedNamespace(t)
	for name, c := range map[string]struct {
		user  string
		extra map[string][]string
		may   bool
	}{
		"a profile":                    {opsv1alpha1.ProfileUser(ns, "job"), map[string][]string{opsv1alpha1.ProfileExtra: {opsv1alpha1.ProfileExtraAgent}}, true},
		"another account":              {"system:serviceaccount:" + ns + ":default", nil, false},
		"the account of an extra":      {opsv1alpha1.ProfileUser(ns, "nightly"), nil, false},
		"a user":                       {"admin", nil, false},
		"a profile, and somebody else": {opsv1alpha1.ProfileUser(ns, "job"), map[string][]string{opsv1alpha1.ProfileExtra: {"somebody"}}, false},
		"a profile, with more":         {opsv1alpha1.ProfileUser(ns, "job"), map[string][]string{"scopes": {"all"}}, false},
	} {
		config := rest.CopyConfig(agentConfig)
		config.Impersonate = rest.ImpersonationConfig{UserName: c.user, Extra: c.extra}
		err := clientOf(t, config).Create(t.Context(), gateJob(ns), client.DryRunAll)
		impersonates := !strings.Contains(err.Error(), "cannot impersonate")
		if !apierrors.IsForbidden(err) || impersonates != c.may {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestHandsAreApart: each account has a client of its own, and what it says it is cannot get into another's, nor into the agent's.
func TestHandsAreApart(t *testing.T) {
	var said []string
	agent := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		said = append(said, r.Header.Get("Impersonate-User")+" "+r.Header.Get("Impersonate-Extra-Ops.vworkspace.io%2fby"))
		return nil, http.ErrHandlerTimeout
	})}
	config := &rest.Config{Host: "https://127.0.0.1:1"}
	h := &hands{config: config, make: client.New, kept: map[account]client.Client{}, options: client.Options{HTTPClient: agent, Scheme: k8s.Scheme(), Mapper: k8s.RESTMapper()}}
	for _, a := range []account{{"a", "job"}, {"b", "job"}, {"a", "helm"}, {"a", "job"}} {
		c, err := h.of(a)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Create(t.Context(), gateJob(a.namespace))
		_, _ = agent.Get("https://127.0.0.1:1/as-the-agent")
	}
	by := func(who string) string { return who + " vworkspace-agent" }
	want := []string{by("system:serviceaccount:a:vworkspace-job"), " ", by("system:serviceaccount:b:vworkspace-job"), " ",
		by("system:serviceaccount:a:vworkspace-helm"), " ", by("system:serviceaccount:a:vworkspace-job"), " "}
	if strings.Join(said, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", said, want)
	}
	if len(h.kept) != 3 {
		t.Errorf("%d clients are kept for three accounts", len(h.kept))
	}
	for i := range 2 * maxHands {
		if _, err := h.of(account{strings.Repeat("x", i+1), "job"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(h.kept) > maxHands {
		t.Errorf("%d clients are kept", len(h.kept))
	}
	for _, a := range []account{{"", "job"}, {"a", ""}} {
		if _, err := h.of(a); err == nil {
			t.Errorf("%+v: a client that is nobody", a)
		}
	}
}
