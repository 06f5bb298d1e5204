// SPDX-License-Identifier: Apache-2.0

package approvals

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Evidence is what a decision rests on, besides the Operation and the clock.
type Evidence struct {
	// Keys of the Secret.
	Keys Keys
	// NoKeys says why there are none, and what to do; empty when they were read.
	NoKeys string
	// Unguarded says why an approval by name cannot be believed; empty when it can.
	Unguarded string
}

// Approval is that somebody who may has agreed.
type Approval struct {
	// Approver is who.
	Approver string
	// Claim that says so; nil when it was approved by name.
	Claim *Claim
}

// Obstacle is why an Operation is not approved: a reason, and a message that says how to go on.
type Obstacle struct {
	Reason, Message string
}

// Required tells whether somebody has to agree to an Operation. A dry run does nothing that anybody would have to agree to: it is how one looks first.
func Required(op *opsv1alpha1.Operation, policy opsv1alpha1.ApprovalPolicy) bool {
	return !op.Spec.DryRun && (policy.Required || op.Spec.Approvals != nil && op.Spec.Approvals.Required)
}

// ByClaim tells whether an Operation is to be approved by its claim, for which keys are needed. One that has a claim is approved by nothing else, however
// bad the claim is: the API server lets everybody write approvedBy beside one.
func ByClaim(op *opsv1alpha1.Operation) bool {
	return op.Spec.Approvals != nil && op.Spec.Approvals.Claim != ""
}

// ByName tells whether an Operation is to be approved by spec.approvals.approvedBy.
func ByName(op *opsv1alpha1.Operation) bool {
	return op.Spec.Approvals != nil && op.Spec.Approvals.Claim == "" && op.Spec.Approvals.ApprovedBy != ""
}

// Decide about an Operation that somebody has to agree to. Exactly one of the two answers is not nil.
func Decide(op *opsv1alpha1.Operation, policy opsv1alpha1.ApprovalPolicy, e Evidence, now time.Time) (*Approval, *Obstacle) {
	requester := op.Annotations[opsv1alpha1.AnnotationRequestedBy]
	if policy.FourEyes && requester == "" {
		return nil, &Obstacle{opsv1alpha1.ReasonRequesterUnknown, "its template asks for an approver who is not the requester (fourEyes), and nobody recorded the requester in the annotation " +
			opsv1alpha1.AnnotationRequestedBy + ": create the Operation again where the admission webhook works"}
	}
	approval, obstacle := given(op, e, now)
	if obstacle != nil {
		return nil, obstacle
	}
	if policy.FourEyes && approval.Approver == requester {
		return nil, &Obstacle{opsv1alpha1.ReasonApprovalInvalid, fmt.Sprintf(
			"spec.approvals: %s asked for this Operation and approved it, and its template asks for somebody else (fourEyes): have another person approve it", requester)}
	}
	return approval, nil
}

// given is the approval that an Operation holds.
func given(op *opsv1alpha1.Operation, e Evidence, now time.Time) (*Approval, *Obstacle) {
	invalid := func(message string) *Obstacle {
		return &Obstacle{opsv1alpha1.ReasonApprovalInvalid, message + "; spec.approvals may be changed, and the Operation then goes on"}
	}
	switch {
	case ByClaim(op) && e.NoKeys != "":
		return nil, invalid("spec.approvals.claim cannot be verified: " + e.NoKeys)
	case ByClaim(op):
		claim, err := Verify(op.Spec.Approvals.Claim, e.Keys, op, now)
		if err != nil {
			return nil, invalid(err.Error())
		}
		return &Approval{Approver: claim.Approver, Claim: claim}, nil
	case ByName(op) && e.Unguarded != "":
		return nil, invalid("spec.approvals.approvedBy is not believed: " + e.Unguarded)
	case ByName(op):
		return &Approval{Approver: op.Spec.Approvals.ApprovedBy}, nil
	}
	return nil, &Obstacle{opsv1alpha1.ReasonAwaitingApproval, awaiting(op)}
}

// awaiting says what is missing, and what whoever signs has to know.
func awaiting(op *opsv1alpha1.Operation) string {
	digest, err := Digest(op)
	if err != nil {
		digest = "unknown: spec.parameters is not JSON"
	}
	return fmt.Sprintf("waits for an approval: put a signed claim for uid %s or digest %s into spec.approvals.claim, "+
		"or set spec.approvals.approvedBy to your user name if you have the verb approve on this Operation (docs/how-to/approve.md)", op.UID, digest)
}

// UsedBefore is what keeps an Operation from starting whose claim was used for another one.
func UsedBefore(record metav1.Object) *Obstacle {
	return &Obstacle{opsv1alpha1.ReasonApprovalInvalid, fmt.Sprintf("spec.approvals.claim: it was used before, for the Operation %s with uid %s, and counts once: have a new one signed, with a jti of its own; "+
		"spec.approvals may be changed, and the Operation then goes on",
		record.GetAnnotations()[opsv1alpha1.AnnotationOrigin], record.GetLabels()[opsv1alpha1.LabelOperation])}
}

// Status is what is written down of an approval when the run starts.
func (a *Approval) Status(now time.Time) *opsv1alpha1.ApprovalStatus {
	s := &opsv1alpha1.ApprovalStatus{By: a.Approver, At: metav1.NewTime(now.Truncate(time.Second))}
	if a.Claim != nil {
		s.KeyID, s.ClaimID = a.Claim.KeyID, a.Claim.ID
	}
	return s
}
