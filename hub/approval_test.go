// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/approvals/approvalstest"
)

// asksFor is an Operation that somebody has to agree to.
func asksFor(given opsv1alpha1.ApprovalsSpec) func(*opsv1alpha1.Operation) {
	return func(op *opsv1alpha1.Operation) {
		given.Required = true
		op.Spec.Approvals = &given
	}
}

// keys puts the keys of signers, and nothing else, into the Secret of which the hub takes them. Without any there is no Secret.
func (f *fleet) keys(signers ...approvalstest.Signer) {
	f.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: opsv1alpha1.DefaultHubNamespace, Name: opsv1alpha1.DefaultApprovalKeys}, Data: map[string][]byte{}}
	f.must(client.IgnoreNotFound(api.Delete(f.ctx, secret)))
	if len(signers) == 0 {
		return
	}
	secret.ResourceVersion, secret.UID = "", ""
	for _, s := range signers {
		secret.Data[s.KeyID] = s.Entry
	}
	f.must(api.Create(f.ctx, secret))
	f.t.Cleanup(func() { _ = api.Delete(context.Background(), secret) })
}

func (f *fleet) approve(op *opsv1alpha1.Operation, given opsv1alpha1.ApprovalsSpec) {
	f.t.Helper()
	given.Required = true
	before := f.get(op)
	after := before.DeepCopy()
	after.Spec.Approvals = &given
	f.must(api.Patch(f.ctx, after, client.MergeFrom(before)))
}

// claims that are good for an hour.
func claims(change map[string]any) map[string]any {
	c := map[string]any{"aud": approvals.Audience, "sub": "alice", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range change {
		c[k] = v
	}
	return c
}

func (f *fleet) digest(op *opsv1alpha1.Operation) string {
	f.t.Helper()
	digest, err := approvals.Digest(op)
	f.must(err)
	return digest
}

// record of a claim that was used; nil when there is none.
func (f *fleet) record(kid, jti string) *corev1.ConfigMap {
	f.t.Helper()
	name := approvals.Record(opsv1alpha1.DefaultHubNamespace, &approvals.Claim{KeyID: kid, ID: jti}, &opsv1alpha1.Operation{}).Name
	got, err := find(f.ctx, api, types.NamespacedName{Namespace: opsv1alpha1.DefaultHubNamespace, Name: name}, &corev1.ConfigMap{})
	f.must(err)
	return got
}

func TestApprovalByClaim(t *testing.T) {
	f := newFleet(t, 2)
	signer, stranger := approvalstest.MustEd25519(t, "hub-test"), approvalstest.MustEd25519(t, "hub-test")
	f.keys(signer)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", asksFor(opsv1alpha1.ApprovalsSpec{}))
	got := f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonAwaitingApproval)
	if !got.Status.Blocked || !strings.Contains(got.Status.Message, "uid "+string(op.UID)) || !strings.Contains(got.Status.Message, "digest "+f.digest(op)) {
		t.Errorf("%+v", got.Status)
	}
	bad := []struct{ claim, says string }{
		{signer.MustSign(t, claims(map[string]any{"uid": op.UID, "exp": 1e9})), "it expired at 2001-09-09T01:46:40Z: have a new one signed"},
		{signer.MustSign(t, claims(map[string]any{"uid": "another"})), "for another Operation: sign one with uid " + string(op.UID)},
		{signer.MustSign(t, claims(map[string]any{"digest": strings.Repeat("0", 64), "jti": "1"})), "sign one with digest " + f.digest(op)},
		{stranger.MustSign(t, claims(map[string]any{"uid": op.UID})), "its signature is not that of key hub-test"},
		{"rubbish", "it is not a signed token"},
	}
	for _, b := range bad {
		f.approve(op, opsv1alpha1.ApprovalsSpec{Claim: b.claim, ApprovedBy: "alice"})
		f.eventually("the status says what is wrong with the claim", func() (string, error) {
			s := f.get(op).Status
			if s.Reason != opsv1alpha1.ReasonApprovalInvalid || !strings.Contains(s.Message, b.says) || !strings.Contains(s.Message, "spec.approvals may be changed") {
				return s.Reason + ": " + s.Message, nil
			}
			return "", nil
		})
	}
	if len(f.works(op)) > 0 || len(f.get(op).Finalizers) > 0 || f.get(op).Status.Approval != nil {
		t.Error("it began without an approval")
	}
	f.runsOnceApproved(op, signer.MustSign(t, claims(map[string]any{"uid": op.UID, "digest": f.digest(op), "jti": "of-" + f.ns})))
}

// runsOnceApproved gives an Operation on two clusters a good claim, for it alone.
func (f *fleet) runsOnceApproved(op *opsv1alpha1.Operation, good string) {
	t := f.t
	t.Helper()
	f.approve(op, opsv1alpha1.ApprovalsSpec{Claim: good})
	got := f.await(op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut)
	if a := got.Status.Approval; a == nil || a.By != "alice" || a.KeyID != "hub-test" || a.ClaimID != "of-"+f.ns || a.At.IsZero() {
		t.Errorf("%+v", a)
	}
	last := got.Status.History[len(got.Status.History)-1]
	if !strings.Contains(last.Message, "approved by alice") || got.Status.Blocked {
		t.Errorf("%+v", last)
	}
	for _, w := range f.awaitWorks(op, 2) {
		if raw := string(w.Spec.Workload.Manifests[0].Raw); strings.Contains(raw, "approvals") {
			t.Error("the clusters are given the approval: ", raw)
		}
	}
	if f.record("hub-test", "of-"+f.ns) != nil {
		t.Error("a claim for one Operation only was recorded")
	}
}

// A claim for a digest can be given with the request, before there is a UID. It counts for one Operation, also when that was deleted and created again.
func TestApprovalCountsOnce(t *testing.T) {
	f := newFleet(t, 1)
	signer := approvalstest.HS256("hub-once", []byte(strings.Repeat("secret ", 8)))
	f.keys(signer)
	f.startHub()
	f.place("all", f.clusters...)
	request := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: "backup"},
		Spec: opsv1alpha1.OperationSpec{
			Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}, Selector: &opsv1alpha1.InstanceSelector{}, Type: opsv1alpha1.TypeBackup,
		},
	}
	once := func(jti string) string {
		return signer.MustSign(t, claims(map[string]any{"digest": f.digest(request), "jti": jti + f.ns}))
	}
	given := once("1-")
	first := f.operation("backup", "all", asksFor(opsv1alpha1.ApprovalsSpec{Claim: given}))
	f.awaitWorks(first, 1)
	record := f.record("hub-once", "1-"+f.ns)
	if record == nil || !approvals.IsOf(record, first) || !ptr.Deref(record.Immutable, false) || record.Data["approver"] != "alice" || strings.Contains(fmt.Sprint(record), given) {
		t.Fatalf("%+v", record)
	}
	f.report(first, f.clusters[0], succeeded(1))
	f.await(first, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	f.must(api.Delete(f.ctx, first))
	f.eventually("the Operation is gone", func() (string, error) {
		err := api.Get(f.ctx, client.ObjectKeyFromObject(first), &opsv1alpha1.Operation{})
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		return "it is there", err
	})
	again := f.operation("backup", "all", asksFor(opsv1alpha1.ApprovalsSpec{Claim: given}))
	got := f.await(again, opsv1alpha1.PhasePending, opsv1alpha1.ReasonApprovalInvalid)
	if !strings.Contains(got.Status.Message, "it was used before, for the Operation "+f.ns+"/backup with uid "+string(first.UID)) {
		t.Error(got.Status.Message)
	}
	if len(f.works(again)) > 0 {
		t.Error("it began")
	}
	f.approve(again, opsv1alpha1.ApprovalsSpec{Claim: once("2-")})
	f.awaitWorks(again, 1)
}

// A hub that is killed between the record and the fence finds its own record, and goes on.
func TestApprovalThatIsRecordedAlready(t *testing.T) {
	f := newFleet(t, 1)
	signer := approvalstest.MustEd25519(t, "hub-crash")
	f.keys(signer)
	var refused atomic.Int32
	f.funcs.SubResourcePatch = func(ctx context.Context, c client.Client, sub string, o client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
		if op, isOperation := o.(*opsv1alpha1.Operation); isOperation && op.Status.Phase == opsv1alpha1.PhaseRunning {
			refused.Add(1)
			return apierrors.NewServiceUnavailable("the hub is killed here")
		}
		return c.SubResource(sub).Patch(ctx, o, patch, opts...)
	}
	stop := f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", asksFor(opsv1alpha1.ApprovalsSpec{}))
	f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonAwaitingApproval)
	f.approve(op, opsv1alpha1.ApprovalsSpec{Claim: signer.MustSign(t, claims(map[string]any{"digest": f.digest(op), "jti": f.ns}))})
	f.eventually("the hub tries to write the fence", func() (string, error) {
		if refused.Load() < 2 {
			return fmt.Sprint(refused.Load()), nil
		}
		return "", nil
	})
	stop()
	record := f.record("hub-crash", f.ns)
	if record == nil || f.get(op).Status.Approval != nil || len(f.works(op)) > 0 {
		t.Fatalf("%+v %+v", record, f.get(op).Status)
	}
	f.funcs.SubResourcePatch = nil
	f.startHub()
	f.awaitWorks(op, 1)
	if after := f.record("hub-crash", f.ns); after == nil || after.UID != record.UID {
		t.Error("it was recorded again")
	}
}

// Keys are read when they are needed: one that comes counts at once, and one that goes counts no more.
func TestApprovalKeys(t *testing.T) {
	f := newFleet(t, 1)
	before, after := approvalstest.MustEd25519(t, "before"), approvalstest.MustEd25519(t, "after")
	f.keys()
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", asksFor(opsv1alpha1.ApprovalsSpec{}))
	f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonAwaitingApproval)
	says := func(words string) {
		t.Helper()
		f.eventually("the status says "+words, func() (string, error) {
			s := f.get(op).Status
			if s.Reason != opsv1alpha1.ReasonApprovalInvalid || !strings.Contains(s.Message, words) {
				return s.Message, nil
			}
			return "", nil
		})
	}
	old := before.MustSign(t, claims(map[string]any{"uid": op.UID}))
	f.approve(op, opsv1alpha1.ApprovalsSpec{Claim: old})
	says("cannot be verified: there is no Secret vworkspace-hub/vworkspace-approval-keys with the keys: create it")
	f.keys(after)
	f.approve(op, opsv1alpha1.ApprovalsSpec{Claim: old, ApprovedAt: "now"})
	says("its kid before is unknown")
	f.approve(op, opsv1alpha1.ApprovalsSpec{Claim: after.MustSign(t, claims(map[string]any{"uid": op.UID}))})
	f.awaitWorks(op, 1)
}

// The keys are the hub's one Secret: no other can be read, and these not changed.
func TestApprovalRights(t *testing.T) {
	f := newFleet(t, 0)
	f.keys()
	c, err := client.New(hubConfig, client.Options{Scheme: NewScheme()})
	f.must(err)
	for name, want := range map[types.NamespacedName]func(error) bool{
		{Namespace: opsv1alpha1.DefaultHubNamespace, Name: opsv1alpha1.DefaultApprovalKeys}: apierrors.IsNotFound,
		{Namespace: opsv1alpha1.DefaultHubNamespace, Name: "other"}:                         apierrors.IsForbidden,
		{Namespace: f.ns, Name: opsv1alpha1.DefaultApprovalKeys}:                            apierrors.IsForbidden,
	} {
		if err := c.Get(f.ctx, name, &corev1.Secret{}); !want(err) {
			t.Errorf("get %s: %v", name, err)
		}
	}
	other := OperationReconciler{Live: c, Options: Options{Namespace: f.ns}.complete()}
	if keys, why, err := other.approvalKeys(f.ctx); err != nil || keys != nil || !strings.Contains(why, "the hub may not get the Secret "+f.ns+"/vworkspace-approval-keys: give it the Role") {
		t.Errorf("%v %q %v", keys, why, err)
	}
}

// What was used is forgotten when it is worth nothing any more, and nothing else is touched.
func TestApprovalSweep(t *testing.T) {
	f := newFleet(t, 0)
	record := func(id string, age time.Duration) *corev1.ConfigMap {
		claim := &approvals.Claim{KeyID: "sweep", ID: id + f.ns, Expires: time.Now().Add(-age)}
		cm := approvals.Record(opsv1alpha1.DefaultHubNamespace, claim, &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{UID: types.UID(id)}})
		f.must(api.Create(f.ctx, cm))
		return cm
	}
	expired, recent, good := record("expired", 2*time.Hour), record("recent", time.Minute), record("good", -time.Hour)
	plain := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: opsv1alpha1.DefaultHubNamespace, Name: f.ns, Annotations: expired.Annotations}}
	f.must(api.Create(f.ctx, plain))
	c, err := client.New(hubConfig, client.Options{Scheme: NewScheme()})
	f.must(err)
	s := &sweeper{Client: c, live: c, namespace: opsv1alpha1.DefaultHubNamespace, clock: clock.RealClock{}}
	f.must(s.sweep(f.ctx))
	f.must(s.sweep(f.ctx))
	for cm, there := range map[*corev1.ConfigMap]bool{expired: false, recent: true, good: true, plain: true} {
		got, err := find(f.ctx, api, client.ObjectKeyFromObject(cm), &corev1.ConfigMap{})
		f.must(err)
		if (got != nil) != there {
			t.Errorf("ConfigMap %s is there: %t", cm.Name, got != nil)
		}
	}
}

// TestApprovalByTemplate: what a template asks for, an Operation cannot take back; and who asked for it cannot approve it where the template says so.
func TestApprovalByTemplate(t *testing.T) {
	f := newFleet(t, 0)
	signer := approvalstest.MustEd25519(t, "hub-eyes")
	f.keys(signer)
	r := &OperationReconciler{Live: api, Options: Options{}.complete()}
	fourEyes := opsv1alpha1.ApprovalPolicy{Required: true, FourEyes: true}
	for name, c := range map[string]struct {
		sub, requester string
		policy         opsv1alpha1.ApprovalPolicy
		agreed         bool
		reason         string
	}{
		"nobody approved":               {policy: opsv1alpha1.ApprovalPolicy{Required: true}, reason: opsv1alpha1.ReasonAwaitingApproval},
		"nobody has to":                 {agreed: true},
		"somebody approved":             {sub: "alice", policy: opsv1alpha1.ApprovalPolicy{Required: true}, agreed: true},
		"the requester approved":        {sub: "alice", requester: "alice", policy: fourEyes, reason: opsv1alpha1.ReasonApprovalInvalid},
		"somebody else approved":        {sub: "alice", requester: "bob", policy: fourEyes, agreed: true},
		"nobody knows who asked for it": {sub: "alice", policy: fourEyes, reason: opsv1alpha1.ReasonRequesterUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: "op", UID: "uid"}, Spec: opsv1alpha1.OperationSpec{Approvals: &opsv1alpha1.ApprovalsSpec{}}}
			if c.sub != "" {
				op.Spec.Approvals.Claim = signer.MustSign(t, claims(map[string]any{"uid": "uid", "sub": c.sub}))
			}
			if c.requester != "" {
				op.Annotations = map[string]string{opsv1alpha1.AnnotationRequestedBy: c.requester}
			}
			p := r.newPass(op)
			approval, agreed, err := r.useApproval(f.ctx, p, c.policy)
			if err != nil || agreed != c.agreed || p.op.Status.Reason != c.reason || (approval != nil) != (c.agreed && c.policy.Required) {
				t.Errorf("%t %v %v %+v", agreed, err, approval, p.op.Status)
			}
		})
	}
}

func TestDryRunNeedsNoApproval(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", asksFor(opsv1alpha1.ApprovalsSpec{}), func(op *opsv1alpha1.Operation) { op.Spec.DryRun = true })
	f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun)
}

// TestApprovalThatATemplateAsksFor: the requester has no say in it, and is not the one who approves.
func TestApprovalThatATemplateAsksFor(t *testing.T) {
	f := newFleet(t, 1)
	signer := approvalstest.MustEd25519(t, "hub-template")
	f.keys(signer)
	f.startHub()
	f.place("all", f.clusters...)
	template := f.listed("eyes", func(s *opsv1alpha1.OperationTemplateSpec) {
		s.Approval = &opsv1alpha1.ApprovalPolicy{Required: true, FourEyes: true}
	})
	unknown := f.operation("unknown", "all", naming(template.Name), deadline(time.Second))
	f.await(unknown, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonRequesterUnknown)
	op := f.operation("backup", "all", naming(template.Name), func(op *opsv1alpha1.Operation) {
		op.Annotations = map[string]string{opsv1alpha1.AnnotationRequestedBy: "bob"}
		op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: false}
	})
	f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonAwaitingApproval)
	f.approve(op, opsv1alpha1.ApprovalsSpec{Claim: signer.MustSign(t, claims(map[string]any{"uid": op.UID, "sub": "bob"}))})
	if got := f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonApprovalInvalid); !strings.Contains(got.Status.Message, "bob asked for this Operation and approved it") {
		t.Error(got.Status.Message)
	}
	f.approve(op, opsv1alpha1.ApprovalsSpec{Claim: signer.MustSign(t, claims(map[string]any{"uid": op.UID}))})
	f.awaitWorks(op, 1)
	if a := f.get(op).Status.Approval; a == nil || a.By != "alice" {
		t.Errorf("%+v", a)
	}
}
