// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
)

// RolloutSpec says in which order clusters are acted on, how many at a time, and what stops it. Its strategies are those of Open Cluster Management's
// RolloutStrategy; all of it may be changed while the Operation runs.
//
// Clusters are started in the order of the plan: the Placement's decision groups, those that are mandatory first, and within a group by name.
// +kubebuilder:validation:XValidation:rule="!has(self.all) || self.type == 'All'",message="all is for type All"
// +kubebuilder:validation:XValidation:rule="!has(self.progressive) || self.type == 'Progressive'",message="progressive is for type Progressive"
// +kubebuilder:validation:XValidation:rule="!has(self.progressivePerGroup) || self.type == 'ProgressivePerGroup'",message="progressivePerGroup is for type ProgressivePerGroup"
// +kubebuilder:validation:XValidation:rule="!has(self.all) || !has(self.all.minSuccessTime) || self.all.minSuccessTime.matches('^(0|([0-9]{1,5}(h|m|s|ms)){1,4})$')",fieldPath=".all.minSuccessTime",message="must be a duration such as 15m or 1h30m"
// +kubebuilder:validation:XValidation:rule="!has(self.all) || !has(self.all.maxFailures) || type(self.all.maxFailures) == string || self.all.maxFailures <= 2147483647",fieldPath=".all.maxFailures",message="must be at most 2147483647"
// +kubebuilder:validation:XValidation:rule="!has(self.progressive) || !has(self.progressive.minSuccessTime) || self.progressive.minSuccessTime.matches('^(0|([0-9]{1,5}(h|m|s|ms)){1,4})$')",fieldPath=".progressive.minSuccessTime",message="must be a duration such as 15m or 1h30m"
// +kubebuilder:validation:XValidation:rule="!has(self.progressive) || !has(self.progressive.maxFailures) || type(self.progressive.maxFailures) == string || self.progressive.maxFailures <= 2147483647",fieldPath=".progressive.maxFailures",message="must be at most 2147483647"
// +kubebuilder:validation:XValidation:rule="!has(self.progressivePerGroup) || !has(self.progressivePerGroup.minSuccessTime) || self.progressivePerGroup.minSuccessTime.matches('^(0|([0-9]{1,5}(h|m|s|ms)){1,4})$')",fieldPath=".progressivePerGroup.minSuccessTime",message="must be a duration such as 15m or 1h30m"
// +kubebuilder:validation:XValidation:rule="!has(self.progressivePerGroup) || !has(self.progressivePerGroup.maxFailures) || type(self.progressivePerGroup.maxFailures) == string || self.progressivePerGroup.maxFailures <= 2147483647",fieldPath=".progressivePerGroup.maxFailures",message="must be at most 2147483647"
// +kubebuilder:validation:XValidation:rule="!has(self.progressive) || !has(self.progressive.maxConcurrency) || type(self.progressive.maxConcurrency) == string || self.progressive.maxConcurrency <= 2147483647",fieldPath=".progressive.maxConcurrency",message="must be at most 2147483647"
// +kubebuilder:validation:XValidation:rule="!has(self.progressive) || !has(self.progressive.mandatoryDecisionGroups) || self.progressive.mandatoryDecisionGroups.all(g, !has(g.groupIndex) || g.groupIndex / 2147483648 == 0)",fieldPath=".progressive.mandatoryDecisionGroups",message="each groupIndex must be from 0 to 2147483647"
// +kubebuilder:validation:XValidation:rule="!has(self.progressivePerGroup) || !has(self.progressivePerGroup.mandatoryDecisionGroups) || self.progressivePerGroup.mandatoryDecisionGroups.all(g, !has(g.groupIndex) || g.groupIndex / 2147483648 == 0)",fieldPath=".progressivePerGroup.mandatoryDecisionGroups",message="each groupIndex must be from 0 to 2147483647"
// +kubebuilder:validation:XValidation:rule="!has(self.unreachable) || !has(self.unreachable.maxClusters) || type(self.unreachable.maxClusters) == string || self.unreachable.maxClusters <= 2147483647",fieldPath=".unreachable.maxClusters",message="must be at most 2147483647"
type RolloutSpec struct {
	clusterv1alpha1.RolloutStrategy `json:",inline"`
	// Unreachable says what becomes of clusters that do not answer. They have not failed: nobody knows.
	// +optional
	Unreachable *UnreachableSpec `json:"unreachable,omitempty"`
	// OnBreach is what happens when more clusters failed, or did not answer, than may: Halt starts no other cluster until a person raises the budget,
	// says Continue, or cancels; Continue goes on; Rollback, of an Upgrade, starts no other cluster, waits for those that are at work, and puts the versions
	// back by an Operation of its own. Types Progressive and ProgressivePerGroup only; with All there is nothing left to stop.
	// +optional
	// +kubebuilder:default=Halt
	OnBreach BreachPolicy `json:"onBreach,omitempty"`
	// Gate is PerGroup when each group but the first waits until a person has named it in approvedGroups. Default None.
	// +optional
	// +kubebuilder:default=None
	Gate RolloutGate `json:"gate,omitempty"`
	// ApprovedGroups may begin: their names, or their numbers where the Placement gives them none, as in status.rollout.group. To add one needs the verb
	// approve on the Operation.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	ApprovedGroups []string `json:"approvedGroups,omitempty"`
	// PromotedGroups soak no longer: a cluster of theirs is done as soon as it has succeeded. Named as in approvedGroups.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	PromotedGroups []string `json:"promotedGroups,omitempty"`
}

// RolloutGate says whether groups wait for a person.
// +kubebuilder:validation:Enum=None;PerGroup
type RolloutGate string

const (
	// GateNone lets each group begin when the one before it is done.
	GateNone RolloutGate = "None"
	// GatePerGroup asks for each but the first.
	GatePerGroup RolloutGate = "PerGroup"
)

// BreachPolicy is what happens when a budget is used up.
// +kubebuilder:validation:Enum=Halt;Continue;Rollback
type BreachPolicy string

const (
	// BreachHalt starts no other cluster.
	BreachHalt BreachPolicy = "Halt"
	// BreachContinue goes on.
	BreachContinue BreachPolicy = "Continue"
	// BreachRollback puts back what was changed.
	BreachRollback BreachPolicy = "Rollback"
)

// UnreachableSpec is what becomes of clusters that do not answer.
type UnreachableSpec struct {
	// Policy after startDeadline: Wait counts them against maxClusters; Skip leaves them out, and reports them as skipped; Fail counts them as failed.
	// Whatever it is, what was sent to them is taken back, so that it does not run late.
	// +optional
	// +kubebuilder:default=Wait
	Policy UnreachablePolicy `json:"policy,omitempty"`
	// MaxClusters is how many may not answer, as a number or as a percentage of the clusters that maxFailures is a percentage of. Default 0. Policy
	// Wait only.
	// +optional
	// +kubebuilder:validation:Pattern="^((100|[0-9]{1,2})%|[0-9]+)$"
	// +kubebuilder:validation:XIntOrString
	MaxClusters intstr.IntOrString `json:"maxClusters,omitempty"`
}

// UnreachablePolicy is what becomes of clusters that do not answer.
// +kubebuilder:validation:Enum=Wait;Skip;Fail
type UnreachablePolicy string

const (
	// UnreachableWait counts them apart.
	UnreachableWait UnreachablePolicy = "Wait"
	// UnreachableSkip leaves them out.
	UnreachableSkip UnreachablePolicy = "Skip"
	// UnreachableFail counts them as failed.
	UnreachableFail UnreachablePolicy = "Fail"
)
