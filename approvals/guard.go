// SPDX-License-Identifier: Apache-2.0

package approvals

import (
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// Policy is the name of the ValidatingAdmissionPolicy, and of its binding, that lets users approve only in their own name and only with the verb approve
// (deploy/policies/approvals.yaml). Without it spec.approvals.approvedBy is what anybody wrote there.
const Policy = "approvals.ops.vworkspace.io"

// Unguarded says why an approval by name cannot be believed on a cluster with this policy and this binding, which are nil where there are none; empty when
// it can.
func Unguarded(policy *admissionregistrationv1.ValidatingAdmissionPolicy, binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding) string {
	const fix = ": install deploy/policies/approvals.yaml, or approve by spec.approvals.claim"
	switch {
	case policy == nil || binding == nil:
		return "this cluster does not check who writes it, because the ValidatingAdmissionPolicy " + Policy + " or its binding is missing" + fix
	case policy.Spec.FailurePolicy != nil && *policy.Spec.FailurePolicy != admissionregistrationv1.Fail,
		binding.Spec.PolicyName != Policy, binding.Spec.MatchResources != nil,
		!slices.Contains(binding.Spec.ValidationActions, admissionregistrationv1.Deny):
		return "this cluster does not check everybody who writes it, because the ValidatingAdmissionPolicy " + Policy + " or its binding was weakened" + fix
	}
	return ""
}
