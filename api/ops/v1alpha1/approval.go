// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

const (
	// PartApproval is the record of a claim that was used: an immutable ConfigMap in the hub's own namespace.
	PartApproval = "approval"
	// AnnotationExpires is on such a record: the time, in RFC 3339, from which on the claim is worth nothing anyway.
	AnnotationExpires = "ops.vworkspace.io/expires"
	// DefaultApprovalKeys is the Secret that holds the keys by which claims are verified, in the hub's own namespace and in the agent's.
	DefaultApprovalKeys = "vworkspace-approval-keys"
	// DefaultHubNamespace is the hub's own namespace.
	DefaultHubNamespace = "vworkspace-hub"
)

// ApprovalStatus is who agreed to a run before it started.
type ApprovalStatus struct {
	// By is the approver: the subject of the claim, or the user who wrote spec.approvals.approvedBy.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	By string `json:"by"`
	// At is when the approval was verified, immediately before the run started.
	// +required
	At metav1.Time `json:"at"`
	// KeyID names the key that the claim was signed with; empty when it was approved by name.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	KeyID string `json:"keyID,omitempty"`
	// ClaimID is the jti of the claim, if it has one.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	ClaimID string `json:"claimID,omitempty"`
}
