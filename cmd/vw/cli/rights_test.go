// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// asOperator is a person who may do with Operations of a namespace what kubectl would need as well, and nothing else.
func asOperator(t *testing.T, ns string) []string {
	t.Helper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "operator"}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{opsv1alpha1.GroupVersion.Group}, Resources: []string{"operations"}, Verbs: []string{"get", "create", "patch"},
	}}}
	binding := &rbacv1.RoleBinding{ObjectMeta: role.ObjectMeta, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "operator"}, Subjects: []rbacv1.Subject{{Kind: "User", Name: "bob"}}}
	if err := api.Create(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	if err := api.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	allowed(t, "bob", ns, reads(opsv1alpha1.GroupVersion.Group, "operations"))
	return []string{"-n", ns, "--as", "bob"}
}

// TestFewRights: who may create and change Operations can, with nothing else, and is told what could not be looked at.
func TestFewRights(t *testing.T) {
	ns := shopsOn(t)
	bob := asOperator(t, ns)
	as := func(args ...string) result { return vw(t, append(append([]string{}, bob...), args...)...) }

	got := as("upgrade", "--placement", "everywhere", "--app", "shop-x", "--set", "targetVersion=1.2.0", "--max-concurrency", "1")
	op := asked(t, ns, got)
	if op.Spec.TemplateRef != nil || op.Spec.Selector.Names[0] != "shop-x" || string(op.Spec.Parameters.Raw) != `{"targetVersion":"1.2.0"}` {
		t.Errorf("%+v", op.Spec)
	}
	if want := "shop-x is taken for the name of an instance: you may not list the instances of namespace " + ns + "\n"; got.errOut != want {
		t.Errorf("said %q", got.errOut)
	}
	got = as("upgrade", "--template", "upgrade-helm", "--placement", "everywhere", "--set", "targetVersion=1.2.0")
	if op = asked(t, ns, got); op.Spec.TemplateRef == nil || !strings.Contains(got.errOut, "you may not read OperationTemplate upgrade-helm: parameters are given by --set") {
		t.Errorf("%+v %q", op.Spec, got.errOut)
	}
	says(t, as("upgrade", "--placement", "everywhere", "--target-version", "1"), ExitError, "", "give it by --set: you may not read OperationTemplates")
	says(t, as("upgrade", "--placement", "everywhere", "--canary", "1"), ExitError, "", "--canary: which groups hold 1 clusters is not known")
	says(t, as("backup", "--cluster", "spoke1"), ExitError, "", "--cluster: no Placement can be made for the clusters, use one that is there by --placement")
	says(t, as("run", "upgrade-helm", "--placement", "everywhere"), ExitError, "", "read OperationTemplate upgrade-helm: ")
	says(t, as("pause", op.Name), ExitOK, op.Name+" paused", "")
	says(t, as("pause", "other"), ExitError, "", "there is no Operation other in namespace "+ns+"\n")
	says(t, as("approve", op.Name), ExitOK, op.Name+" approved by bob", "")
	says(t, as("freeze", "night", "--reason", "x"), ExitError, "", "ask who runs the cluster for that right")
	if list := (&opsv1alpha1.OperationList{}); api.List(t.Context(), list) != nil || len(list.Items) == 0 {
		t.Error("nothing is there")
	}
}
