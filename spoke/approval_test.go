// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/approvals/approvalstest"
	"vworkspace.io/fleet/e2e/testbed"
)

// approvalKeys puts the keys of signers, and nothing else, into the Secret of which the agent takes them. Without any there is no Secret.
func approvalKeys(t *testing.T, signers ...approvalstest.Signer) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: agentNamespace(t), Name: opsv1alpha1.DefaultApprovalKeys}, Data: map[string][]byte{}}
	if err := client.IgnoreNotFound(k8s.Delete(t.Context(), secret)); err != nil {
		t.Fatal(err)
	}
	if len(signers) == 0 {
		return
	}
	for _, s := range signers {
		secret.Data[s.KeyID] = s.Entry
	}
	create(t, secret)
	t.Cleanup(func() { _ = k8s.Delete(context.Background(), secret) })
}

// agreement is a claim that is good for an hour.
func agreement(change map[string]any) map[string]any {
	c := map[string]any{"aud": approvals.Audience, "sub": "alice", "iat": agentClock.Now().Unix(), "exp": agentClock.Now().Add(time.Hour).Unix()}
	for k, v := range change {
		c[k] = v
	}
	return c
}

func asking(op *opsv1alpha1.Operation) *opsv1alpha1.Operation {
	op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true}
	return op
}

func TestApprovalByClaim(t *testing.T) {
	signer := approvalstest.MustEd25519(t, "spoke-test")
	approvalKeys(t)
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := asking(on(ns, "op", "web", opsv1alpha1.TypeBackup))
	create(t, op)
	digest, err := approvals.Digest(op)
	if err != nil {
		t.Fatal(err)
	}
	says(t, blockedFrom(t, op, opsv1alpha1.ReasonAwaitingApproval), "uid "+string(op.UID), "digest "+digest)
	give := func(claim, words string) {
		t.Helper()
		patch(t, op, func() { op.Spec.Approvals.Claim = claim })
		says(t, op, words)
		blockedFrom(t, op, opsv1alpha1.ReasonApprovalInvalid)
	}
	good := signer.MustSign(t, agreement(map[string]any{"uid": op.UID, "digest": digest}))
	give(good, "there is no Secret vworkspace-agent/vworkspace-approval-keys with the keys: create it")
	approvalKeys(t, signer)
	give(signer.MustSign(t, agreement(map[string]any{"uid": op.UID, "exp": 1e9})), "it expired at")
	give(signer.MustSign(t, agreement(map[string]any{"uid": "another"})), "for another Operation")
	give(signer.MustSign(t, agreement(map[string]any{"digest": digest, "jti": "1"})), "a claim for a digest alone counts on the hub only: sign one with uid "+string(op.UID))
	if op.Status.Approval != nil || len(op.Finalizers) > 0 {
		t.Errorf("it began without an approval: %+v", op.Status)
	}
	patch(t, op, func() { op.Spec.Approvals.Claim = good })
	reaches(t, op, opsv1alpha1.PhaseRunning, "")
	if a := op.Status.Approval; a == nil || a.By != "alice" || a.KeyID != "spoke-test" {
		t.Errorf("%+v", a)
	}
	told := false
	for _, step := range op.Status.History {
		told = told || strings.Contains(step.Message, "approved by alice")
	}
	if !told {
		t.Errorf("nobody is told who approved: %+v", op.Status.History)
	}
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// An Operation that is expanded is approved as a whole, before anything is made of it, and what it is expanded into needs nothing more.
func TestApprovalOfMany(t *testing.T) {
	signer := approvalstest.MustEd25519(t, "spoke-many")
	approvalKeys(t, signer)
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := asking(selecting(ns, "all", opsv1alpha1.InstanceSelector{}))
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonAwaitingApproval)
	if below := childrenOf(t, op); len(below) > 0 {
		t.Fatalf("it was expanded: %+v", below)
	}
	patch(t, op, func() { op.Spec.Approvals.Claim = signer.MustSign(t, agreement(map[string]any{"uid": op.UID})) })
	child := childOn(t, op, ns, "web")
	if child.Spec.Approvals != nil {
		t.Errorf("%+v", child.Spec.Approvals)
	}
	finish(t, child)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	if a := op.Status.Approval; a == nil || a.By != "alice" {
		t.Errorf("%+v", a)
	}
}

// TestApprovalAbove: what a template asks for was asked of what lies above, if that is really there; a label alone is no approval.
func TestApprovalAbove(t *testing.T) {
	ns, agent := namespace(t, false), agentNamespace(t)
	r := &operationReconciler{agentNamespace: agent, approvalKeys: opsv1alpha1.DefaultApprovalKeys}
	made := func(namespace, name, requester, by string, labels map[string]string) *opsv1alpha1.Operation {
		op := on(namespace, name+"-"+ns, "web", opsv1alpha1.TypeBackup)
		op.Labels, op.Annotations = labels, map[string]string{opsv1alpha1.AnnotationRequestedBy: requester}
		create(t, op)
		reaches(t, op, opsv1alpha1.PhasePending, "")
		if by != "" {
			op.Status.Approval = &opsv1alpha1.ApprovalStatus{By: by, At: metav1.Now()}
			if err := k8s.Status().Update(t.Context(), op); err != nil {
				t.Fatal(err)
			}
		}
		return op
	}
	delivered := made(agent, "delivered", "", "", map[string]string{opsv1alpha1.LabelRoot: "on-the-hub"})
	looks := made(ns, "looks", "", "", map[string]string{opsv1alpha1.LabelRoot: "on-the-hub"})
	plain, approvedOp := made(ns, "plain", "bob", "", nil), made(ns, "approved", "bob", "alice", nil)
	own, nobodys := made(ns, "own", "bob", "bob", nil), made(ns, "nobodys", "", "alice", nil)
	below := func(parent *opsv1alpha1.Operation) *opsv1alpha1.Operation {
		op := on(ns, "below", "web", opsv1alpha1.TypeBackup)
		op.UID = "below"
		op.Labels = map[string]string{opsv1alpha1.LabelParent: string(parent.UID), opsv1alpha1.LabelRoot: string(parent.UID)}
		op.Annotations = map[string]string{opsv1alpha1.AnnotationOrigin: parent.Namespace + "/" + parent.Name}
		return op
	}
	forged, nowhere := below(approvedOp), below(approvedOp)
	forged.Labels[opsv1alpha1.LabelParent] = "another uid"
	nowhere.Annotations = nil
	required, fourEyes := opsv1alpha1.ApprovalPolicy{Required: true}, opsv1alpha1.ApprovalPolicy{Required: true, FourEyes: true}
	for name, c := range map[string]struct {
		op     *opsv1alpha1.Operation
		policy opsv1alpha1.ApprovalPolicy
		free   bool
	}{
		"delivered by the hub":                     {delivered, required, true},
		"it only says that it was delivered":       {looks, required, false},
		"made here":                                {plain, required, false},
		"below what was delivered":                 {below(delivered), fourEyes, true},
		"below what only says that it was":         {below(looks), required, false},
		"below what nobody approved":               {below(plain), required, false},
		"below what was approved":                  {below(approvedOp), required, true},
		"below what was approved, four eyes":       {below(approvedOp), fourEyes, true},
		"below what the requester approved":        {below(own), required, true},
		"the same, four eyes":                      {below(own), fourEyes, false},
		"below what nobody knows the requester of": {below(nobodys), fourEyes, false},
		"it says that it is below":                 {forged, required, false},
		"it does not say below what":               {nowhere, required, false},
	} {
		v := newVisit(&site{Client: k8s, live: k8s}, c.op, clock.RealClock{})
		f := facts{op: c.op, approvalPolicy: c.policy}
		if err := r.askAbout(t.Context(), v, &f); err != nil || (approved(f) == nil) != c.free {
			t.Errorf("%s: %v %+v", name, err, approved(f))
		}
	}
	asks := facts{op: asking(below(delivered)), above: true}
	if approved(asks) == nil {
		t.Error("what asks for an approval itself runs without")
	}
}

func TestApprovalByName(t *testing.T) {
	unguard := func() {
		meta := metav1.ObjectMeta{Name: approvals.Policy}
		_ = k8s.Delete(context.Background(), &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta})
		_ = k8s.Delete(context.Background(), &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: meta})
	}
	unguard()
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := asking(on(ns, "op", "web", opsv1alpha1.TypeBackup))
	op.Spec.Approvals.ApprovedBy = "somebody"
	create(t, op)
	says(t, blockedFrom(t, op, opsv1alpha1.ReasonApprovalInvalid), "spec.approvals.approvedBy is not believed", "install deploy/policies/approvals.yaml")
	if err := testbed.ApplyFiles(t.Context(), restConfig, filepath.Join("..", "deploy", "policies", "approvals.yaml")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unguard)
	config := rest.CopyConfig(restConfig)
	config.Impersonate = rest.ImpersonationConfig{UserName: "carol", Groups: []string{"system:masters"}}
	carol, err := client.New(config, client.Options{Scheme: k8s.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	// What the agent itself makes passes: there is no approval in it.
	children := asking(selecting(ns, "all", opsv1alpha1.InstanceSelector{}))
	create(t, children)
	for _, o := range []*opsv1alpha1.Operation{op, children} {
		reload(t, o)
		before := o.DeepCopy()
		o.Spec.Approvals.ApprovedBy = "carol"
		if err := carol.Patch(t.Context(), o, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	finish(t, childOn(t, children, ns, "web"))
	reaches(t, children, opsv1alpha1.PhaseSucceeded, "")
	if a := op.Status.Approval; a == nil || a.By != "carol" || a.KeyID != "" {
		t.Errorf("%+v", a)
	}
}

// The keys are the agent's one Secret.
func TestApprovalRights(t *testing.T) {
	config := rest.CopyConfig(restConfig)
	config.Impersonate.UserName = "system:serviceaccount:vworkspace-agent:vworkspace-agent"
	agent, err := client.New(config, client.Options{Scheme: k8s.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	approvalKeys(t)
	s := &site{live: agent}
	for name, want := range map[client.ObjectKey]string{
		{Namespace: agentNamespace(t), Name: opsv1alpha1.DefaultApprovalKeys}: "there is no Secret",
		{Namespace: agentNamespace(t), Name: "other"}:                         "the agent may not get the Secret",
		{Namespace: "default", Name: opsv1alpha1.DefaultApprovalKeys}:         "the agent may not get the Secret",
	} {
		if keys, why, err := s.keys(t.Context(), name); err != nil || keys != nil || !strings.Contains(why, want) {
			t.Errorf("%s: %q %v", name, why, err)
		}
	}
	if err := agent.Get(t.Context(), client.ObjectKey{Name: approvals.Policy}, &admissionregistrationv1.ValidatingAdmissionPolicy{}); client.IgnoreNotFound(err) != nil {
		t.Error(err)
	}
	if err := agent.Get(t.Context(), client.ObjectKey{Name: "other"}, &admissionregistrationv1.ValidatingAdmissionPolicy{}); !apierrors.IsForbidden(err) {
		t.Error(err)
	}
}

// TestApprovalThatATemplateAsksFor: what is approved is what was asked for, without what the template fills in. Where it shows only on the instance that a template
// asks, the Operation there asks for itself; where it was given above, it does not.
func TestApprovalThatATemplateAsksFor(t *testing.T) {
	signer := approvalstest.MustEd25519(t, "spoke-template")
	approvalKeys(t, signer)
	ns := gatedNamespace(t)
	template := listed(t, func(s *opsv1alpha1.OperationTemplateSpec) {
		s.Approval, s.Defaults = &opsv1alpha1.ApprovalPolicy{Required: true}, parameters(t, `{"steps":1}`)
	})
	instanceOf(t, ns, template)
	t.Run("of one", func(t *testing.T) {
		op := following(ns, template)
		create(t, op)
		digest, err := approvals.Digest(op)
		if err != nil {
			t.Fatal(err)
		}
		says(t, blockedFrom(t, op, opsv1alpha1.ReasonAwaitingApproval), "digest "+digest)
		patch(t, op, func() {
			op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Claim: signer.MustSign(t, agreement(map[string]any{"uid": op.UID, "digest": digest}))}
		})
		finish(t, op)
		reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	})
	many := func(name string) *opsv1alpha1.Operation {
		op := selecting(ns, name, opsv1alpha1.InstanceSelector{})
		op.Spec.Type = opsv1alpha1.TypeBackup
		return op
	}
	t.Run("of many, each", func(t *testing.T) {
		op := many("each")
		create(t, op)
		child := childOn(t, op, ns, "web")
		blockedFrom(t, child, opsv1alpha1.ReasonAwaitingApproval)
		patch(t, child, func() {
			child.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Claim: signer.MustSign(t, agreement(map[string]any{"uid": child.UID}))}
		})
		finish(t, child)
		reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	})
	t.Run("of many, at once", func(t *testing.T) {
		op := many("at-once")
		op.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: template.Name}
		create(t, op)
		blockedFrom(t, op, opsv1alpha1.ReasonAwaitingApproval)
		patch(t, op, func() {
			op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Claim: signer.MustSign(t, agreement(map[string]any{"uid": op.UID}))}
		})
		finish(t, childOn(t, op, ns, "web"))
		reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	})
}
