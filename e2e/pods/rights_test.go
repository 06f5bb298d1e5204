// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"fmt"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/kindfleet"
	"vworkspace.io/fleet/e2e/permissions"
)

// rights: on these clusters Open Cluster Management's work agent is no administrator and has what our chart aggregates to it; and the executor that a
// ManifestWork names bounds it further, also when somebody on the hub writes ManifestWorks of their own. What may be asked without pods and a work agent
// that has to obey is asked in e2e/scenarios. Everybody else has what the table says, from our charts.
func rights(t *testing.T) {
	if err := install.OnHosting(t.Context(), fleet.Hub.Config); err != nil {
		t.Fatal(err)
	}
	if err := permissions.Profile(t.Context(), fleet.Spokes[0].Config); err != nil {
		t.Fatal(err)
	}
	answer, err := permissions.Ask(t.Context(), fleet.Hub.Config, fleet.Spokes[0].Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("who may what:\n%s", answer.Table)
	if answer.Wrong > 0 {
		t.Errorf("%d of %d lines are not as they should be", answer.Wrong, answer.All)
	}
	for _, spoke := range fleet.Spokes {
		for _, of := range []authorizationv1.ResourceAttributes{
			{Verb: "*", Group: "*", Resource: "*"},
			{Verb: "list", Resource: "secrets"},
			{Verb: "get", Namespace: "kube-system", Resource: "secrets"},
			{Verb: "create", Group: rbacv1.GroupName, Resource: "clusterrolebindings"},
			{Verb: "create", Namespace: tenant, Resource: "pods"},
		} {
			if workAgentMay(t, spoke, of) {
				t.Errorf("on %s the work agent may %s %s in %q", spoke.Name, of.Verb, of.Resource, of.Namespace)
			}
		}
		if !workAgentMay(t, spoke, authorizationv1.ResourceAttributes{Verb: "create", Group: opsv1alpha1.GroupVersion.Group, Resource: "operations", Namespace: tenant}) {
			t.Errorf("on %s the work agent may not create Operations: nothing shows that an executor bounds it", spoke.Name)
		}
	}
	spoke := fleet.Spokes[0]
	op := fleetwide("past-the-agent", opsv1alpha1.TypeRunCommand, "")
	op.TypeMeta = metav1.TypeMeta{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Operation"}
	op.Spec.Placement = nil
	refused(t, spoke, op)
	refused(t, spoke, &rbacv1.ClusterRoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: "past-the-agent"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: kindfleet.AgentNamespace, Name: "vworkspace-operations"}},
	})
}

// workAgentMay asks a spoke.
func workAgentMay(t *testing.T, spoke *kindfleet.Cluster, of authorizationv1.ResourceAttributes) bool {
	t.Helper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:               "system:serviceaccount:open-cluster-management-agent:klusterlet",
		Groups:             []string{"system:serviceaccounts", "system:serviceaccounts:open-cluster-management-agent", "system:authenticated"},
		ResourceAttributes: &of,
	}}
	if err := connect(t, spoke).Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// refused holds that the work agent of a spoke does not apply an object as the executor of Operations, and says so.
func refused(t *testing.T, spoke *kindfleet.Cluster, o client.Object) {
	t.Helper()
	work := &workv1.ManifestWork{
		ObjectMeta: metav1.ObjectMeta{Namespace: spoke.Name, Name: "past-the-agent"},
		Spec: workv1.ManifestWorkSpec{
			Workload: workv1.ManifestsTemplate{Manifests: []workv1.Manifest{{RawExtension: runtime.RawExtension{Object: o}}}},
			Executor: &workv1.ManifestWorkExecutor{Subject: workv1.ManifestWorkExecutorSubject{
				Type:           workv1.ExecutorSubjectTypeServiceAccount,
				ServiceAccount: &workv1.ManifestWorkSubjectServiceAccount{Namespace: kindfleet.AgentNamespace, Name: "vworkspace-operations"},
			}},
		},
	}
	hub := connect(t, fleet.Hub)
	if err := hub.Create(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the work agent to refuse "+o.GetName(), func(ctx context.Context) string {
		if err := hub.Get(ctx, client.ObjectKeyFromObject(work), work); err != nil {
			return err.Error()
		}
		applied := meta.FindStatusCondition(work.Status.Conditions, workv1.WorkApplied)
		if applied == nil || applied.Status != metav1.ConditionFalse {
			return fmt.Sprintf("it says %+v", applied)
		}
		return ""
	})
	for _, m := range work.Status.ResourceStatus.Manifests {
		t.Logf("%T: %+v", o, meta.FindStatusCondition(m.Conditions, workv1.ManifestApplied))
	}
	if err := connect(t, spoke).Get(t.Context(), client.ObjectKeyFromObject(o), o); !apierrors.IsNotFound(err) {
		t.Errorf("%T %s on %s: got error %v, want NotFound", o, o.GetName(), spoke.Name, err)
	}
	if err := hub.Delete(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ManifestWork to be gone", func(ctx context.Context) string {
		if err := hub.Get(ctx, client.ObjectKeyFromObject(work), work); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("%v, %v", err, work.DeletionTimestamp)
		}
		return ""
	})
}
