// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/e2e/testbed"
)

// guard installs the policy, and takes it away after the test. It is in force a moment after it was made, and when guard returns.
func (f *fleet) guard() {
	f.t.Helper()
	f.must(testbed.ApplyFiles(f.ctx, apiConfig, filepath.Join("..", "deploy", "policies", "approvals.yaml")))
	f.t.Cleanup(f.unguard)
	f.eventually("the policy is in force", func() (string, error) {
		if f.forged() {
			return "anybody's name is taken", nil
		}
		return "", nil
	})
}

// forged tells whether the API server takes an approval in the name of somebody else.
func (f *fleet) forged() bool {
	f.t.Helper()
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: "forged"}, Spec: opsv1alpha1.OperationSpec{
		Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}, Selector: &opsv1alpha1.InstanceSelector{},
		Type: opsv1alpha1.TypeBackup, Approvals: &opsv1alpha1.ApprovalsSpec{ApprovedBy: "somebody"},
	}}
	err := api.Create(f.ctx, op, client.DryRunAll)
	if err != nil && !apierrors.IsForbidden(err) {
		f.t.Fatal(err)
	}
	return err == nil
}

func (f *fleet) unguard() {
	ctx := context.Background() // that of a test is over when it cleans up
	_ = api.Delete(ctx, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: approvals.Policy}})
	_ = api.Delete(ctx, &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: approvals.Policy}})
}

// as is a client of a user who may write Operations in the fleet's namespace, and has the other verbs on those that are named.
func (f *fleet) as(user string, verbs []string, names ...string) client.Client {
	f.t.Helper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: user}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"ops.vworkspace.io"}, Resources: []string{"operations"}, Verbs: []string{"get", "create", "update", "patch"}},
	}}
	if len(verbs) > 0 {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{"ops.vworkspace.io"}, Resources: []string{"operations"}, ResourceNames: names, Verbs: verbs})
	}
	f.must(api.Create(f.ctx, role))
	f.must(api.Create(f.ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	}))
	for _, rule := range role.Rules {
		f.may(user, rule)
	}
	config := rest.CopyConfig(apiConfig)
	config.Impersonate.UserName = user
	c, err := client.New(config, client.Options{Scheme: NewScheme()})
	f.must(err)
	return c
}

// may waits until the API server lets a user do what a rule says: it learns of Roles a moment after they were made.
func (f *fleet) may(user string, rule rbacv1.PolicyRule) {
	f.t.Helper()
	for _, verb := range rule.Verbs {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: f.ns, Verb: verb, Group: rule.APIGroups[0], Resource: rule.Resources[0], Name: strings.Join(rule.ResourceNames, ""),
		}}}
		f.eventually(user+" may "+verb, func() (string, error) {
			asked := review.DeepCopy()
			err := api.Create(f.ctx, asked)
			return differs(fmt.Sprint(asked.Status.Allowed), "true"), err
		})
	}
}

// patch the approvals of an Operation as somebody.
func (f *fleet) patch(c client.Client, op *opsv1alpha1.Operation, patch string) error {
	return c.Patch(f.ctx, op.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)))
}

// refused by the policy, with these words.
func refused(t testing.TB, what string, err error, words string) {
	t.Helper()
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: got %v, want a refusal that says %q", what, err, words)
	}
}

// TestApprovalPolicy: one approves in one's own name and with the verb approve, and nothing else that the API server lets through is an approval.
func TestApprovalPolicy(t *testing.T) {
	f := newFleet(t, 0)
	f.guard()
	tenant, alice, bob := f.as("tenant", nil), f.as("alice", []string{"approve"}), f.as("bob", []string{"approve"}, "other")
	op := f.operation("backup", "all", asksFor(opsv1alpha1.ApprovalsSpec{}))
	const needs = "needs the verb approve on operations.ops.vworkspace.io backup in namespace "
	refused(t, "approve without the verb", f.patch(tenant, op, `{"spec":{"approvals":{"approvedBy":"tenant"}}}`), "spec.approvals.approvedBy "+needs+f.ns+", which tenant does not have")
	refused(t, "approve in another name", f.patch(tenant, op, `{"spec":{"approvals":{"approvedBy":"alice"}}}`), "one approves in one's own name: set it to tenant")
	refused(t, "approve in another name, with the verb", f.patch(alice, op, `{"spec":{"approvals":{"approvedBy":"bob"}}}`), "set it to alice")
	refused(t, "approve with the verb on another one", f.patch(bob, op, `{"spec":{"approvals":{"approvedBy":"bob"}}}`), needs+f.ns)
	refused(t, "take back that it has to be approved", f.patch(tenant, op, `{"spec":{"approvals":{"required":false}}}`), "spec.approvals.required: taking it back "+needs)
	refused(t, "the same, all at once", f.patch(tenant, op, `{"spec":{"approvals":null}}`), "spec.approvals.required: taking it back")
	// Beside a claim anything may be written: the hub looks at the claim alone. It does not become an approval by taking the claim away.
	f.must(f.patch(tenant, op, `{"spec":{"approvals":{"claim":"rubbish","approvedBy":"alice"}}}`))
	refused(t, "take the claim away", f.patch(tenant, op, `{"spec":{"approvals":{"claim":null}}}`), "one's own name")
	f.must(f.patch(tenant, op, `{"spec":{"approvals":{"claim":null,"approvedBy":null}}}`))
	f.must(f.patch(alice, op, `{"spec":{"approvals":{"approvedBy":"alice","approvedAt":"2026-11-29T12:00:00Z"}}}`))
	// What was approved stays so, and stays what it was.
	f.must(f.patch(tenant, op, `{"metadata":{"labels":{"a":"b"}}}`))
	f.must(f.patch(tenant, op, `{"spec":{"ttlSecondsAfterFinished":7}}`))
	refused(t, "change when it was approved", f.patch(tenant, op, `{"spec":{"approvals":{"approvedAt":"2026-11-30T12:00:00Z"}}}`), "one's own name")
	refused(t, "change what was approved", f.patch(tenant, op, `{"spec":{"timeout":"1h"}}`), "spec: changing what was approved "+needs)
	refused(t, "approve in the place of somebody", f.patch(tenant, op, `{"spec":{"approvals":{"approvedBy":"tenant"}}}`), needs)
	f.must(f.patch(alice, op, `{"spec":{"timeout":"1h"}}`))
	f.must(f.patch(tenant, op, `{"spec":{"cancel":true}}`))
	f.must(f.patch(tenant, op, `{"spec":{"approvals":{"approvedBy":null}}}`))
	approvalPolicyOnCreate(f, tenant, alice)
}

// approvalPolicyOnCreate: it is the same for what an Operation is created with. What says nothing of approvals passes: hub and agents write no other.
func approvalPolicyOnCreate(f *fleet, tenant, alice client.Client) {
	f.t.Helper()
	made := func(name string, given *opsv1alpha1.ApprovalsSpec) *opsv1alpha1.Operation {
		return &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: name}, Spec: opsv1alpha1.OperationSpec{
			Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}, Selector: &opsv1alpha1.InstanceSelector{}, Type: opsv1alpha1.TypeBackup, Approvals: given,
		}}
	}
	refused(f.t, "create it approved", tenant.Create(f.ctx, made("mine", &opsv1alpha1.ApprovalsSpec{ApprovedBy: "tenant"})), "needs the verb approve on operations.ops.vworkspace.io mine")
	refused(f.t, "create it approved by somebody", tenant.Create(f.ctx, made("mine", &opsv1alpha1.ApprovalsSpec{ApprovedBy: "alice"})), "set it to tenant")
	generated := made("", &opsv1alpha1.ApprovalsSpec{ApprovedBy: "tenant"})
	generated.GenerateName = "mine-"
	refused(f.t, "create it under any name", tenant.Create(f.ctx, generated), "needs the verb approve")
	f.must(tenant.Create(f.ctx, made("asks", &opsv1alpha1.ApprovalsSpec{Required: true})))
	f.must(tenant.Create(f.ctx, made("claims", &opsv1alpha1.ApprovalsSpec{Claim: "rubbish", ApprovedBy: "alice"})))
	f.must(tenant.Create(f.ctx, made("plain", nil)))
	f.must(alice.Create(f.ctx, made("approved", &opsv1alpha1.ApprovalsSpec{Required: true, ApprovedBy: "alice"})))
}

// TestApprovalByName: a name is believed where the API server sees to it who writes it, and nowhere else.
func TestApprovalByName(t *testing.T) {
	f := newFleet(t, 1)
	f.unguard()
	f.startHub()
	f.place("all", f.clusters...)
	f.eventually("the API server to have forgotten the policy", func() (string, error) { return differs(fmt.Sprint(f.forged()), "true"), nil })
	alice := f.as("alice", []string{"approve"})
	op := f.operation("backup", "all", asksFor(opsv1alpha1.ApprovalsSpec{ApprovedBy: "somebody"}))
	got := f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonApprovalInvalid)
	if !strings.Contains(got.Status.Message, "spec.approvals.approvedBy is not believed: this cluster does not check who writes it") {
		t.Error(got.Status.Message)
	}
	f.must(f.patch(alice, op, `{"spec":{"approvals":{"approvedBy":null}}}`)) // or it would be believed, which nobody saw to
	f.guard()
	f.must(f.patch(alice, op, `{"spec":{"approvals":{"approvedBy":"alice","approvedAt":"2026-11-29T12:00:00Z"}}}`))
	got = f.await(op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut)
	if a := got.Status.Approval; a == nil || a.By != "alice" || a.KeyID != "" {
		t.Errorf("%+v", a)
	}
	f.awaitWorks(op, 1)
}
