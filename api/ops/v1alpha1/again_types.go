// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// RetrySpec starts clusters again in a run that has not ended.
type RetrySpec struct {
	// Attempt is raised by one to ask for it; the first retry is 1. Clusters that have ended in one of these ways by then are started again, with what was
	// frozen in the plan; what they came to before is kept beside the results.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Attempt int32 `json:"attempt"`
	// Of are the ways to have ended: Failed, Skipped, Unreachable. All of them when left out.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	Of []RetryOutcome `json:"of,omitempty"`
}

// RetryOutcome is a way to have ended that a retry may follow.
// +kubebuilder:validation:Enum=Failed;Skipped;Unreachable
type RetryOutcome string

const (
	// RetryFailed are clusters that answered, and failed.
	RetryFailed RetryOutcome = "Failed"
	// RetrySkipped were left out.
	RetrySkipped RetryOutcome = "Skipped"
	// RetryUnreachable did not answer.
	RetryUnreachable RetryOutcome = "Unreachable"
)

// RetryOfSpec names a run that has ended, whose clusters are started again.
type RetryOfSpec struct {
	// Name of the fleet Operation, in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Of are the ways to have ended: Failed, Skipped, Unreachable. All of them when left out, and those that were not started because the run was
	// cancelled or halted besides.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	Of []RetryOutcome `json:"of,omitempty"`
}

// RollbackOfSpec names an Upgrade whose versions are put back.
type RollbackOfSpec struct {
	// Name of the fleet Operation, in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// UID of it: what it did is found by that.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`
}
