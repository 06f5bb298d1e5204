// SPDX-License-Identifier: Apache-2.0

package approvals_test

import (
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/approvals/approvalstest"
)

func TestRequired(t *testing.T) {
	asks := &opsv1alpha1.ApprovalsSpec{Required: true}
	for name, c := range map[string]struct {
		approvals *opsv1alpha1.ApprovalsSpec
		dryRun    bool
		policy    opsv1alpha1.ApprovalPolicy
		want      bool
	}{
		"nobody asks":                       {},
		"the Operation asks":                {approvals: asks, want: true},
		"the template asks":                 {policy: opsv1alpha1.ApprovalPolicy{Required: true}, want: true},
		"the Operation cannot take it back": {approvals: &opsv1alpha1.ApprovalsSpec{}, policy: opsv1alpha1.ApprovalPolicy{Required: true}, want: true},
		"four eyes, should it be asked for": {policy: opsv1alpha1.ApprovalPolicy{FourEyes: true}},
		"a dry run does nothing":            {approvals: asks, dryRun: true, policy: opsv1alpha1.ApprovalPolicy{Required: true}},
	} {
		op := backup()
		op.Spec.Approvals, op.Spec.DryRun = c.approvals, c.dryRun
		if got := approvals.Required(op, c.policy); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestDecide(t *testing.T) {
	ed := approvalstest.MustEd25519(t, "ed-1")
	good := approvals.Evidence{Keys: approvals.ParseKeys(map[string][]byte{"ed-1": ed.Entry})}
	claim := ed.MustSign(t, forUID()) // by alice
	fourEyes := opsv1alpha1.ApprovalPolicy{Required: true, FourEyes: true}
	for name, c := range map[string]struct {
		given     opsv1alpha1.ApprovalsSpec
		requester string
		policy    opsv1alpha1.ApprovalPolicy
		evidence  approvals.Evidence
		approver  string
		reason    string
		says      string
	}{
		"nothing is there":                          {reason: opsv1alpha1.ReasonAwaitingApproval, says: "uid 6f0c7c2e-0001 or digest " + digestOf(t, backup())},
		"a time is no approval":                     {given: opsv1alpha1.ApprovalsSpec{ApprovedAt: "2026-11-29T12:00:00Z"}, reason: opsv1alpha1.ReasonAwaitingApproval},
		"a claim":                                   {given: opsv1alpha1.ApprovalsSpec{Claim: claim}, approver: "alice"},
		"a claim, and a name for the record":        {given: opsv1alpha1.ApprovalsSpec{Claim: claim, ApprovedBy: "Alice A."}, approver: "alice"},
		"a bad claim":                               {given: opsv1alpha1.ApprovalsSpec{Claim: "x"}, reason: opsv1alpha1.ReasonApprovalInvalid, says: "spec.approvals may be changed"},
		"a bad claim is not mended by a name":       {given: opsv1alpha1.ApprovalsSpec{Claim: "x", ApprovedBy: "bob"}, reason: opsv1alpha1.ReasonApprovalInvalid},
		"a claim without keys":                      {given: opsv1alpha1.ApprovalsSpec{Claim: claim}, evidence: approvals.Evidence{NoKeys: "there is no Secret"}, reason: opsv1alpha1.ReasonApprovalInvalid, says: "spec.approvals.claim cannot be verified: there is no Secret"},
		"a name":                                    {given: opsv1alpha1.ApprovalsSpec{ApprovedBy: "bob"}, approver: "bob"},
		"a name where anybody could write it":       {given: opsv1alpha1.ApprovalsSpec{ApprovedBy: "bob"}, evidence: approvals.Evidence{Unguarded: "nobody checks"}, reason: opsv1alpha1.ReasonApprovalInvalid, says: "spec.approvals.approvedBy is not believed: nobody checks"},
		"one's own request":                         {given: opsv1alpha1.ApprovalsSpec{ApprovedBy: "bob"}, requester: "bob", approver: "bob"},
		"one's own request, four eyes":              {given: opsv1alpha1.ApprovalsSpec{ApprovedBy: "bob"}, requester: "bob", policy: fourEyes, reason: opsv1alpha1.ReasonApprovalInvalid, says: "bob asked for this Operation and approved it"},
		"one's own request by claim, four eyes":     {given: opsv1alpha1.ApprovalsSpec{Claim: claim}, requester: "alice", policy: fourEyes, reason: opsv1alpha1.ReasonApprovalInvalid, says: "alice asked for"},
		"somebody else's request, four eyes":        {given: opsv1alpha1.ApprovalsSpec{Claim: claim}, requester: "bob", policy: fourEyes, approver: "alice"},
		"nobody's request, four eyes":               {given: opsv1alpha1.ApprovalsSpec{Claim: claim}, policy: fourEyes, reason: opsv1alpha1.ReasonRequesterUnknown, says: "create the Operation again"},
		"nobody's request, before anybody approves": {policy: fourEyes, reason: opsv1alpha1.ReasonRequesterUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			op := backup()
			op.Spec.Approvals = &c.given
			if c.requester != "" {
				op.Annotations = map[string]string{opsv1alpha1.AnnotationRequestedBy: c.requester}
			}
			evidence := c.evidence
			if evidence.NoKeys == "" && evidence.Unguarded == "" {
				evidence = good
			}
			approval, obstacle := approvals.Decide(op, c.policy, evidence, now)
			switch {
			case (approval == nil) == (obstacle == nil):
				t.Fatalf("%+v %+v", approval, obstacle)
			case obstacle != nil:
				if obstacle.Reason != c.reason || !strings.Contains(obstacle.Message, c.says) || len(obstacle.Message) > opsv1alpha1.MaxMessage {
					t.Errorf("%s: %s", obstacle.Reason, obstacle.Message)
				}
			case approval.Approver != c.approver:
				t.Errorf("%+v", approval)
			}
		})
	}
}

// TestRecord: there is one record of a claim, however its text is written, and it tells whose it is until the claim is worth nothing.
func TestRecord(t *testing.T) {
	expires := now.Add(time.Hour)
	claim := approvals.Claim{Approver: "alice", KeyID: "ed-1", ID: "claim-1", Expires: expires, Once: true}
	op, again := backup(), backup()
	again.UID = "created again"
	record := approvals.Record("vworkspace-hub", &claim, op)
	if errs := validation.IsDNS1123Subdomain(record.Name); len(errs) > 0 || !ptr.Deref(record.Immutable, false) || record.Namespace != "vworkspace-hub" {
		t.Errorf("%v %+v", errs, record)
	}
	if !approvals.IsOf(record, op) || approvals.IsOf(record, again) {
		t.Error("it does not tell whose it is")
	}
	if o := approvals.UsedBefore(record); o.Reason != opsv1alpha1.ReasonApprovalInvalid || !strings.Contains(o.Message, "for the Operation shops/backup with uid 6f0c7c2e-0001") {
		t.Errorf("%+v", o)
	}
	if approvals.Record("vworkspace-hub", &claim, again).Name != record.Name {
		t.Error("the claim has two records")
	}
	names := map[string]bool{record.Name: true}
	for _, other := range []approvals.Claim{{KeyID: "ed-2", ID: "claim-1"}, {KeyID: "ed-1", ID: "claim-2"}, {KeyID: "ed-1c", ID: "laim-1"}} {
		name := approvals.Record("vworkspace-hub", &other, op).Name
		if names[name] {
			t.Errorf("%+v has the record of another claim", other)
		}
		names[name] = true
	}
	for at, want := range map[time.Time]bool{now: false, expires: false, expires.Add(time.Hour): false, expires.Add(time.Hour + time.Second): true} {
		if approvals.Forgettable(record, at) != want {
			t.Errorf("forgettable at %s: %t", at, !want)
		}
	}
	record.Annotations[opsv1alpha1.AnnotationExpires] = "some time"
	if approvals.Forgettable(record, now.Add(1e6*time.Hour)) {
		t.Error("a record that does not say when is forgotten")
	}
}

func TestUnguarded(t *testing.T) {
	type (
		policy  = admissionregistrationv1.ValidatingAdmissionPolicy
		binding = admissionregistrationv1.ValidatingAdmissionPolicyBinding
	)
	whole := func() (*policy, *binding) {
		p, b := &policy{}, &binding{}
		p.Spec.FailurePolicy = ptr.To(admissionregistrationv1.Fail)
		b.Spec.PolicyName, b.Spec.ValidationActions = approvals.Policy, []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}
		return p, b
	}
	if why := approvals.Unguarded(whole()); why != "" {
		t.Error(why)
	}
	for name, change := range map[string]func(p *policy, b *binding){
		"ignores failures": func(p *policy, _ *binding) { p.Spec.FailurePolicy = ptr.To(admissionregistrationv1.Ignore) },
		"only warns": func(_ *policy, b *binding) {
			b.Spec.ValidationActions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn}
		},
		"binds another policy": func(_ *policy, b *binding) { b.Spec.PolicyName = "other" },
		"not everywhere": func(_ *policy, b *binding) {
			b.Spec.MatchResources = &admissionregistrationv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{}}
		},
	} {
		p, b := whole()
		change(p, b)
		if why := approvals.Unguarded(p, b); !strings.Contains(why, "was weakened: install deploy/policies/approvals.yaml") {
			t.Errorf("%s: %q", name, why)
		}
	}
	p, b := whole()
	for _, why := range []string{approvals.Unguarded(nil, b), approvals.Unguarded(p, nil)} {
		if !strings.Contains(why, "is missing") {
			t.Error(why)
		}
	}
}
