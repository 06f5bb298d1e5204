// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// OperationType is what an Operation does.
// +kubebuilder:validation:Enum=Backup;Restore;Upgrade;Migration;RunCommand;Runbook
type OperationType string

const (
	// TypeBackup makes a copy that a Restore can start from.
	TypeBackup OperationType = "Backup"
	// TypeRestore puts a copy back.
	TypeRestore OperationType = "Restore"
	// TypeUpgrade changes the chart version or the values of a release.
	TypeUpgrade OperationType = "Upgrade"
	// TypeMigration runs a structured change of an application's data.
	TypeMigration OperationType = "Migration"
	// TypeRunCommand runs one command.
	TypeRunCommand OperationType = "RunCommand"
	// TypeRunbook runs a procedure of several steps.
	TypeRunbook OperationType = "Runbook"
)

// OperationTypes are all of them.
func OperationTypes() []OperationType {
	return []OperationType{TypeBackup, TypeRestore, TypeUpgrade, TypeMigration, TypeRunCommand, TypeRunbook}
}

// OperationEngine is the executor that an Operation runs on.
// +kubebuilder:validation:Enum=velero;workflow;job;helm;volsync;helmHookJob
type OperationEngine string

const (
	// EngineVelero drives Velero Backups and Restores.
	EngineVelero OperationEngine = "velero"
	// EngineWorkflow drives Argo Workflows.
	EngineWorkflow OperationEngine = "workflow"
	// EngineJob drives Kubernetes Jobs.
	EngineJob OperationEngine = "job"
	// EngineHelm drives Flux HelmReleases.
	EngineHelm OperationEngine = "helm"
	// EngineVolsync drives VolSync replication and CSI snapshots.
	EngineVolsync OperationEngine = "volsync"
	// EngineHelmHookJob runs a hook of the chart as a Job.
	EngineHelmHookJob OperationEngine = "helmHookJob"
)

// OperationPhase sums up where an Operation stands.
// +kubebuilder:validation:Enum=Pending;Running;Succeeded;Failed;Cancelled
type OperationPhase string

const (
	// PhasePending has not started: it waits for a precondition.
	PhasePending OperationPhase = "Pending"
	// PhaseRunning has started and may have had effects.
	PhaseRunning OperationPhase = "Running"
	// PhaseSucceeded did what was asked. Final.
	PhaseSucceeded OperationPhase = "Succeeded"
	// PhaseFailed did not. Final.
	PhaseFailed OperationPhase = "Failed"
	// PhaseCancelled was stopped by a person. Final.
	PhaseCancelled OperationPhase = "Cancelled"
)

// Terminal tells whether a phase is final. Nothing rewrites a final phase.
func (p OperationPhase) Terminal() bool {
	return p == PhaseSucceeded || p == PhaseFailed || p == PhaseCancelled
}

// TargetRef names the ApplicationInstance to act on, in the Operation's namespace.
type TargetRef struct {
	// APIVersion is apps.vworkspace.io/v1alpha1.
	// +required
	// +kubebuilder:validation:Enum=apps.vworkspace.io/v1alpha1
	APIVersion string `json:"apiVersion"`
	// Kind is ApplicationInstance.
	// +required
	// +kubebuilder:validation:Enum=ApplicationInstance
	Kind string `json:"kind"`
	// Name of the ApplicationInstance.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// InstanceSelector picks ApplicationInstances of one cluster. What is left out does not restrict.
type InstanceSelector struct {
	// LabelSelector on the instances' labels.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
	// Namespaces to look in. Only namespaces with the gate label count.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:MinLength=1
	Namespaces []string `json:"namespaces,omitempty"`
	// Names of instances.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:MinLength=1
	Names []string `json:"names,omitempty"`
	// Required makes a cluster on which nothing matches fail with reason NoTargets; by default it succeeds with that reason,
	// because on most fleets not every cluster runs every application.
	// +optional
	Required bool `json:"required,omitempty"`
	// MaxConcurrency is how many of the instances of one cluster are at work at a time; all when left out.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	MaxConcurrency *int32 `json:"maxConcurrency,omitempty"`
}

// PlacementSpec picks the clusters of a fleet Operation.
type PlacementSpec struct {
	// PlacementRef names an Open Cluster Management Placement in the Operation's namespace. Its decisions are read
	// when the Operation is planned, and frozen.
	// +required
	PlacementRef PlacementRef `json:"placementRef"`
	// OnChange is what becomes of clusters that the Placement selects, or selects no more, after that: Freeze (default) keeps to the plan; Follow adds those that are
	// selected now to its end, and leaves those out that are not, as long as they have not been started. It may be changed while the Operation runs.
	// +optional
	OnChange ChangePolicy `json:"onChange,omitempty"`
}

// ChangePolicy is what becomes of clusters that join or leave a Placement after a plan was made.
// +kubebuilder:validation:Enum=Freeze;Follow
type ChangePolicy string

const (
	// ChangeFreeze keeps to the plan.
	ChangeFreeze ChangePolicy = "Freeze"
	// ChangeFollow follows the Placement.
	ChangeFollow ChangePolicy = "Follow"
)

// PlacementRef names a Placement.
type PlacementRef struct {
	// Name of the Placement.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// TemplateRef names the OperationTemplate that a run follows.
type TemplateRef struct {
	// Name of the OperationTemplate.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Digest that the template must have, as in the status of an Operation that used it. The hub sets it in what it sends to clusters, so that they
	// run what was asked for and checked, and nothing that has changed since.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	Digest string `json:"digest,omitempty"`
}

// ApprovalsSpec says that a person must agree first.
type ApprovalsSpec struct {
	// Required blocks the Operation (reason AwaitingApproval) until it is approved. Taking it back needs the verb approve on the Operation.
	// +optional
	Required bool `json:"required,omitempty"`
	// Claim is the approval as a signed token (JWS, algorithm EdDSA or HS256); docs/how-to/approve.md says what is in it. It may be replaced.
	// +optional
	// +kubebuilder:validation:MaxLength=8192
	Claim string `json:"claim,omitempty"`
	// ApprovedBy names the approver. Without a claim it is the approval: the user who writes it names himself, and needs the verb approve on the
	// Operation. Beside a claim it is for the record.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	ApprovedBy string `json:"approvedBy,omitempty"`
	// ApprovedAt is the time of the approval in RFC 3339, for the record.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ApprovedAt string `json:"approvedAt,omitempty"`
}

// DryRunScope is how far a dry run goes.
// +kubebuilder:validation:Enum=Hub;Clusters
type DryRunScope string

const (
	// DryRunHub stays on the hub.
	DryRunHub DryRunScope = "Hub"
	// DryRunClusters asks the clusters.
	DryRunClusters DryRunScope = "Clusters"
)

// ConcurrencyPolicy is what an Operation does about older ones of its concurrencyKey.
// +kubebuilder:validation:Enum=Queue;Supersede
type ConcurrencyPolicy string

const (
	// ConcurrencyQueue waits for all of them.
	ConcurrencyQueue ConcurrencyPolicy = "Queue"
	// ConcurrencySupersede takes the place of those that have not begun.
	ConcurrencySupersede ConcurrencyPolicy = "Supersede"
)

// OperationSpec is what shall be done, and to what.
// +kubebuilder:validation:XValidation:rule="has(self.targetRef) != has(self.selector)",message="set exactly one of targetRef and selector"
// +kubebuilder:validation:XValidation:rule="has(self.placement) || !has(self.rollout)",message="rollout needs placement: it orders clusters"
// +kubebuilder:validation:XValidation:rule="has(self.placement) || !has(self.suspend) || !self.suspend",message="suspend needs placement: it holds clusters back"
// +kubebuilder:validation:XValidation:rule="has(self.targetRef) == has(oldSelf.targetRef) && (!has(self.targetRef) || self.targetRef == oldSelf.targetRef)",message="targetRef is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.selector) == has(oldSelf.selector) && (!has(self.selector) || self.selector == oldSelf.selector)",message="selector is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.placement) == has(oldSelf.placement) && (!has(self.placement) || self.placement.placementRef == oldSelf.placement.placementRef)",message="placement.placementRef is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="self.type == oldSelf.type",message="type is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.engine) == has(oldSelf.engine) && (!has(self.engine) || self.engine == oldSelf.engine)",message="engine is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.parameters) == has(oldSelf.parameters) && (!has(self.parameters) || self.parameters == oldSelf.parameters)",message="parameters is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.templateRef) == has(oldSelf.templateRef) && (!has(self.templateRef) || self.templateRef == oldSelf.templateRef)",message="templateRef is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.concurrencyKey) == has(oldSelf.concurrencyKey) && (!has(self.concurrencyKey) || self.concurrencyKey == oldSelf.concurrencyKey)",message="concurrencyKey is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.concurrencyPolicy) == has(oldSelf.concurrencyPolicy) && (!has(self.concurrencyPolicy) || self.concurrencyPolicy == oldSelf.concurrencyPolicy)",message="concurrencyPolicy is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.retryOf) == has(oldSelf.retryOf) && (!has(self.retryOf) || self.retryOf == oldSelf.retryOf)",message="retryOf is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.rollbackOf) == has(oldSelf.rollbackOf) && (!has(self.rollbackOf) || self.rollbackOf == oldSelf.rollbackOf)",message="rollbackOf is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.dryRunScope) == has(oldSelf.dryRunScope) && (!has(self.dryRunScope) || self.dryRunScope == oldSelf.dryRunScope)",message="dryRunScope is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="!has(self.concurrencyPolicy) || has(self.concurrencyKey)",message="concurrencyPolicy needs concurrencyKey: it is about older Operations of the same key"
// +kubebuilder:validation:XValidation:rule="!has(self.retry) || has(self.placement)",message="retry needs placement: it starts clusters again"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.retry) || has(self.retry) && self.retry.attempt >= oldSelf.retry.attempt",message="retry.attempt only grows: raise it by one to start clusters again"
// +kubebuilder:validation:XValidation:rule="!has(self.retryOf) || has(self.placement) && !has(self.rollbackOf)",message="retryOf needs placement, and no rollbackOf"
// +kubebuilder:validation:XValidation:rule="!has(self.rollbackOf) || self.type == 'Upgrade'",message="rollbackOf is for type Upgrade"
// +kubebuilder:validation:XValidation:rule="!has(self.rollout) || !has(self.rollout.onBreach) || self.rollout.onBreach != 'Rollback' || self.type == 'Upgrade' && !has(self.rollbackOf)",message="rollout.onBreach Rollback is for type Upgrade, and not for one that rolls back"
// +kubebuilder:validation:XValidation:rule="(has(self.dryRun) && self.dryRun) == (has(oldSelf.dryRun) && oldSelf.dryRun)",message="dryRun is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",message="cancel cannot be taken back: create a new Operation"
type OperationSpec struct {
	// TargetRef names one ApplicationInstance in the Operation's namespace. On the hub it may name an instance that was
	// delivered to a cluster: the Operation then runs there.
	// +optional
	TargetRef *TargetRef `json:"targetRef,omitempty"`
	// Selector picks ApplicationInstances on each cluster.
	// +optional
	Selector *InstanceSelector `json:"selector,omitempty"`
	// Placement picks the clusters. Only the hub acts on it.
	// +optional
	Placement *PlacementSpec `json:"placement,omitempty"`
	// Rollout is the order in which clusters are acted on; All when left out.
	// +optional
	Rollout *RolloutSpec `json:"rollout,omitempty"`
	// MaintenanceWindow is when clusters, and instances, may be started. It holds instead of the template's, and the one that a cluster is labelled with
	// holds instead of it. May be changed while the Operation runs; clusters that were told keep theirs. Waiting for it does not count against the start
	// deadline.
	// +optional
	MaintenanceWindow *Window `json:"maintenanceWindow,omitempty"`
	// ConcurrencyKey is a name for what must not run twice at a time: Operations of a namespace that have the same run one after the other, in the order
	// in which they were created.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	ConcurrencyKey string `json:"concurrencyKey,omitempty"`
	// ConcurrencyPolicy is what becomes of older ones of the same concurrencyKey that have not begun: Queue (default) waits for them too; Supersede ends
	// them as Cancelled, with reason SupersededByOperation.
	// +optional
	ConcurrencyPolicy ConcurrencyPolicy `json:"concurrencyPolicy,omitempty"`
	// Retry starts clusters again while the Operation runs, or is halted.
	// +optional
	Retry *RetrySpec `json:"retry,omitempty"`
	// RetryOf starts the clusters again in which another Operation, that has ended, did not succeed; with what was frozen in its plan. All that says what is
	// done, and where, has to be the same.
	// +optional
	RetryOf *RetryOfSpec `json:"retryOf,omitempty"`
	// RollbackOf puts the versions back that an Upgrade changed, and found before it: on the clusters of that run, on those instances that it changed. The
	// hub makes such an Operation for spec.rollout.onBreach Rollback, and so may anybody.
	// +optional
	RollbackOf *RollbackOfSpec `json:"rollbackOf,omitempty"`
	// Type is what is done.
	// +required
	Type OperationType `json:"type"`
	// TemplateRef names the catalog entry to follow. When left out, it is the one that matches the type, the engine and the target; it is an error when
	// there are several.
	// +optional
	TemplateRef *TemplateRef `json:"templateRef,omitempty"`
	// Engine is what does it. When left out it is the template's, or else taken from the target's capability annotation for the type.
	// +optional
	Engine OperationEngine `json:"engine,omitempty"`
	// Parameters of the engine; see the reference of each engine. An unknown name is an error. On the hub a string may hold expressions of CEL about the cluster
	// that it goes to, such as ${cluster.labels['region']}; they are evaluated when the Operation is planned. A ${ that is meant as it stands is written $${.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Parameters *runtime.RawExtension `json:"parameters,omitempty"`
	// Approvals says that a person must agree first.
	// +optional
	Approvals *ApprovalsSpec `json:"approvals,omitempty"`
	// StartDeadline bounds how long the run may be blocked by something that is wrong (target missing, not ready or without the
	// capability, engine not installed, namespace not gated, agent missing, cluster unreachable) before it fails with that reason.
	// Waiting for another Operation or for an approval is not bounded by it. Default 5m.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('168h')",message="must be more than 0 and at most 168h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	StartDeadline *metav1.Duration `json:"startDeadline,omitempty"`
	// Timeout bounds the run of each instance, counted from the engine's start and not from the time it waited. No bound by default.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('720h')",message="must be more than 0 and at most 720h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Suspend starts no other cluster while it is set. What runs goes on. It may be taken back at any time.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// Cancel stops the run as far as its engine can. It cannot be taken back. Deleting the Operation does the same.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
	// DryRun stops after planning: the status says what would be done, nothing is done.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
	// DryRunScope is how far a dry run of a fleet Operation goes: Hub (default) asks no cluster, and tells what is known of them; Clusters has each of them
	// say which instances it would act on.
	// +optional
	DryRunScope DryRunScope `json:"dryRunScope,omitempty"`
	// TTLSecondsAfterFinished deletes the Operation that many seconds after it ended. Never when left out.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// Operation is one day-2 action: on one ApplicationInstance (targetRef), on every matching one of a cluster (selector),
// or on a fleet (placement with either).
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=op;ops,categories=vworkspace
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Engine",type=string,JSONPath=`.spec.engine`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Done",type=string,JSONPath=`.status.progress`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="!has(self.status) || !has(self.status.phase) || !(self.status.phase in ['Succeeded', 'Failed', 'Cancelled']) || has(self.spec.retry) == has(oldSelf.spec.retry) && (!has(self.spec.retry) || self.spec.retry.attempt == oldSelf.spec.retry.attempt)",message="spec.retry: the Operation has ended, and stays as it ended: create another one with spec.retryOf"
type Operation struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec OperationSpec `json:"spec"`
	// +optional
	Status OperationStatus `json:"status,omitempty"`
}

// OperationList is a list of Operations.
// +kubebuilder:object:root=true
type OperationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Operation `json:"items"`
}
