// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/permissions"
	"vworkspace.io/fleet/e2e/testbed"
)

// TestPermissions: everybody may do what the table says, and nothing else of it.
func TestPermissions(t *testing.T) {
	if *overGRPC == clusters {
		t.Skip("SKIPPED: the table has rights of an agent of Open Cluster Management at the hub's API server, and no agent of this fleet is known there (-scenarios.grpc)")
	}
	hub, spoke1 := fleet.Fleet.Hub.Config(), fleet.Fleet.Spokes[0].Config()
	if err := install.OnHosting(t.Context(), hub); err != nil {
		t.Fatal(err)
	}
	if err := permissions.Profile(t.Context(), spoke1); err != nil {
		t.Fatal(err)
	}
	answer, err := permissions.Ask(t.Context(), hub, spoke1)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Wrong > 0 {
		t.Errorf("%d of %d are not as they should be:\n%s", answer.Wrong, answer.All, answer.Table)
	}
}

func agentOf(t *testing.T, c *testbed.Cluster) client.Client {
	t.Helper()
	config, err := install.AsAgent(t.Context(), c.Config())
	if err != nil {
		t.Fatal(err)
	}
	return connect(t, config)
}

// TestGateHoldsOnTheFleet: where the table says that RBAC allows too much, the policies that are installed with it refuse.
func TestGateHoldsOnTheFleet(t *testing.T) {
	spoke1 := fleet.Fleet.Spokes[0]
	agent := agentOf(t, spoke1)
	binding := func(namespace, role string) client.Object {
		return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: opsv1alpha1.ProfileAccount("workflow")}}}
	}
	account := func(namespace, name string) client.Object {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	}
	repository := func(namespace string) client.Object {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository",
			"metadata": map[string]any{"namespace": namespace, "name": "gate"}, "spec": map[string]any{"url": "https://charts.example.com"},
		}}
	}
	for name, c := range map[string]struct {
		object  client.Object
		refused string // by the policy of that name; taken when it is empty
	}{
		"a source":                        {repository(demo.Namespace), ""},
		"a source where it is shut":       {repository("kube-system"), "gate.vworkspace.io"},
		"a profile":                       {binding(demo.Namespace, opsv1alpha1.ProfileRole("workflow")), ""},
		"a profile where it is shut":      {binding("kube-system", opsv1alpha1.ProfileRole("workflow")), "gate.vworkspace.io"},
		"one profile's role to another":   {binding(demo.Namespace, opsv1alpha1.ProfileRole("helm")), "profile-bindings.vworkspace.io"},
		"its account":                     {account(demo.Namespace, opsv1alpha1.ProfileAccount("workflow")), ""},
		"its account where it is shut":    {account("kube-system", opsv1alpha1.ProfileAccount("workflow")), "gate.vworkspace.io"},
		"an account that is no profile's": {account(demo.Namespace, "other"), "profile-accounts.vworkspace.io"},
	} {
		err := agent.Create(t.Context(), c.object, client.DryRunAll)
		if c.refused != "" && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), c.refused)) || c.refused == "" && client.IgnoreAlreadyExists(err) != nil {
			t.Errorf("%s: got %v, want it refused by %q", name, err, c.refused)
		}
	}
	if err := permissions.Profile(t.Context(), spoke1.Config()); err != nil {
		t.Fatal(err)
	}
	config, err := install.AsAgent(t.Context(), spoke1.Config())
	if err != nil {
		t.Fatal(err)
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: opsv1alpha1.ProfileUser(demo.Namespace, "job"), Extra: map[string][]string{opsv1alpha1.ProfileExtra: {opsv1alpha1.ProfileExtraAgent}}}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, GenerateName: "gate-"}, Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "registry.example.com/c"}}},
	}}}
	kube, err := kubernetes.NewForConfig(config) // which asks for nothing that a profile may not see
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kube.BatchV1().Jobs(demo.Namespace).Create(t.Context(), job, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Errorf("a Job as profile job, by the agent: %v", err)
	}
}

func connect(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{Scheme: demo.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
