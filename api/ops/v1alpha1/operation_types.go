// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
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
}

// PlacementSpec picks the clusters of a fleet Operation.
type PlacementSpec struct {
	// PlacementRef names an Open Cluster Management Placement in the Operation's namespace. Its decisions are read once,
	// when the Operation is planned, and frozen.
	// +required
	PlacementRef PlacementRef `json:"placementRef"`
}

// PlacementRef names a Placement.
type PlacementRef struct {
	// Name of the Placement.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// ApprovalsSpec says that a person must agree first.
type ApprovalsSpec struct {
	// Required blocks the Operation (reason AwaitingApproval) until a verified claim is there.
	// +optional
	Required bool `json:"required,omitempty"`
	// Claim is the approval, signed by its issuer.
	// +optional
	// +kubebuilder:validation:MaxLength=8192
	Claim string `json:"claim,omitempty"`
	// ApprovedBy names the approver, for the record.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	ApprovedBy string `json:"approvedBy,omitempty"`
	// ApprovedAt is the time of the approval in RFC 3339, for the record.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ApprovedAt string `json:"approvedAt,omitempty"`
}

// RolloutType is the order in which clusters are acted on.
// +kubebuilder:validation:Enum=All
type RolloutType string

// RolloutAll acts on all clusters at once.
const RolloutAll RolloutType = "All"

// RolloutSpec says in which order clusters are acted on. Its shape is that of Open Cluster Management's RolloutStrategy.
type RolloutSpec struct {
	// Type is All: every cluster at once.
	// +optional
	// +kubebuilder:default=All
	Type RolloutType `json:"type,omitempty"`
}

// OperationSpec is what shall be done, and to what.
// +kubebuilder:validation:XValidation:rule="has(self.targetRef) != has(self.selector)",message="set exactly one of targetRef and selector"
// +kubebuilder:validation:XValidation:rule="has(self.placement) || !has(self.rollout)",message="rollout needs placement: it orders clusters"
// +kubebuilder:validation:XValidation:rule="has(self.targetRef) == has(oldSelf.targetRef) && (!has(self.targetRef) || self.targetRef == oldSelf.targetRef)",message="targetRef is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.selector) == has(oldSelf.selector) && (!has(self.selector) || self.selector == oldSelf.selector)",message="selector is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.placement) == has(oldSelf.placement) && (!has(self.placement) || self.placement.placementRef == oldSelf.placement.placementRef)",message="placement.placementRef is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="self.type == oldSelf.type",message="type is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.engine) == has(oldSelf.engine) && (!has(self.engine) || self.engine == oldSelf.engine)",message="engine is immutable: create a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.parameters) == has(oldSelf.parameters) && (!has(self.parameters) || self.parameters == oldSelf.parameters)",message="parameters is immutable: create a new Operation"
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
	// Type is what is done.
	// +required
	Type OperationType `json:"type"`
	// Engine is what does it. When left out it is taken from the target's capability annotation for the type.
	// +optional
	Engine OperationEngine `json:"engine,omitempty"`
	// Parameters of the engine; see the reference of each engine. An unknown name is an error.
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
	// Cancel stops the run as far as its engine can. It cannot be taken back. Deleting the Operation does the same.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
	// DryRun stops after planning: the status says what would be done, nothing is done.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
	// TTLSecondsAfterFinished deletes the Operation that many seconds after it ended. Never when left out.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// LogsRef points at where the logs of a run are.
type LogsRef struct {
	// Kind of the object, such as Pod or Job.
	// +optional
	Kind string `json:"kind,omitempty"`
	// Name of the object.
	// +optional
	Name string `json:"name,omitempty"`
	// Namespace of the object.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// URL of a log store.
	// +optional
	URL string `json:"url,omitempty"`
}

// ResourceRef names an object that a run made or changed.
type ResourceRef struct {
	// APIVersion of the object.
	// +required
	APIVersion string `json:"apiVersion"`
	// Kind of the object.
	// +required
	Kind string `json:"kind"`
	// Namespace of the object; empty when cluster-scoped.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name of the object.
	// +required
	Name string `json:"name"`
	// UID of the object as it was when the run touched it: another object of the same name is another run's.
	// +optional
	UID types.UID `json:"uid,omitempty"`
}

// PreparationState is where a preparation stands.
// +kubebuilder:validation:Enum=Started;Done;Undone
type PreparationState string

const (
	// PreparationStarted may have had effects.
	PreparationStarted PreparationState = "Started"
	// PreparationDone is done: the engine may start.
	PreparationDone PreparationState = "Done"
	// PreparationUndone was put back, or could not be: then Message says so.
	PreparationUndone PreparationState = "Undone"
)

// Preparation is something that is done to the target before the engine starts, and put back after the run has ended.
type Preparation struct {
	// Name of the preparation: SuspendRelease (a Restore suspends the target's HelmRelease), Quiesce (spec.parameters.quiesce).
	// +required
	Name string `json:"name"`
	// State of the preparation.
	// +required
	State PreparationState `json:"state"`
	// StartedAt is when it was begun.
	// +optional
	StartedAt metav1.Time `json:"startedAt,omitempty"`
	// TriedAt is when it was last tried, or tried to be put back, in vain.
	// +optional
	TriedAt *metav1.Time `json:"triedAt,omitempty"`
	// UndoStartedAt is when putting it back was begun, or, by an engine, when that engine was. It is tried for ten minutes from then on.
	// +optional
	UndoStartedAt *metav1.Time `json:"undoStartedAt,omitempty"`
	// Object that was changed.
	// +optional
	Object *ResourceRef `json:"object,omitempty"`
	// Settings are the target's annotations that say how, as they were when it was begun: it is put back by them, whatever has become of the
	// target since.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Settings map[string]string `json:"settings,omitempty"`
	// Resources that were made to do it, in their order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Resources []ResourceRef `json:"resources,omitempty"`
	// UndoResources were made to put it back, in their order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	UndoResources []ResourceRef `json:"undoResources,omitempty"`
	// Message says what keeps it from being put back.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// Verdict is how a run ended, before that is announced as its phase.
type Verdict struct {
	// Phase that the Operation will have.
	// +required
	Phase OperationPhase `json:"phase"`
	// Reason in one word.
	// +required
	Reason string `json:"reason"`
	// Message for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// Time of the end.
	// +required
	Time metav1.Time `json:"time"`
}

// Counts of clusters or instances by state. They add up to Total.
type Counts struct {
	// Total that the Operation covers.
	// +kubebuilder:validation:Maximum=2147483647
	Total int32 `json:"total"`
	// Pending have not started, and nothing is wrong.
	// +kubebuilder:validation:Maximum=2147483647
	Pending int32 `json:"pending"`
	// Blocked have not started, and something is in the way.
	// +kubebuilder:validation:Maximum=2147483647
	Blocked int32 `json:"blocked"`
	// Running have started.
	// +kubebuilder:validation:Maximum=2147483647
	Running int32 `json:"running"`
	// Succeeded did what was asked.
	// +kubebuilder:validation:Maximum=2147483647
	Succeeded int32 `json:"succeeded"`
	// Failed did not.
	// +kubebuilder:validation:Maximum=2147483647
	Failed int32 `json:"failed"`
	// Cancelled were stopped.
	// +kubebuilder:validation:Maximum=2147483647
	Cancelled int32 `json:"cancelled"`
}

// Done is how many have ended.
func (c Counts) Done() int32 { return c.Succeeded + c.Failed + c.Cancelled }

// Summary counts what lies below an expanding Operation.
type Summary struct {
	// Clusters by state; on the hub only.
	// +optional
	Clusters *Counts `json:"clusters,omitempty"`
	// Instances by state, over all clusters that have reported.
	// +optional
	Instances *Counts `json:"instances,omitempty"`
}

// Failure is one cluster or instance that failed, with its cause.
type Failure struct {
	// Name of the cluster, or NAMESPACE/NAME of the instance.
	Name string `json:"name"`
	// Reason in one word.
	Reason string `json:"reason"`
	// Message for people, at most 1,024 bytes.
	// +optional
	Message string `json:"message,omitempty"`
}

// Transition is one step in the life of an Operation.
type Transition struct {
	// Time of the step.
	Time metav1.Time `json:"time"`
	// Phase after the step.
	Phase OperationPhase `json:"phase"`
	// Reason in one word.
	Reason string `json:"reason"`
	// Message for people, cut to 256 bytes.
	// +optional
	Message string `json:"message,omitempty"`
}

// PlanStatus describes the frozen plan of a fleet Operation.
type PlanStatus struct {
	// Name that the plan's chunks begin with: NAME-0, NAME-1, ... are immutable ConfigMaps in the Operation's namespace.
	Name string `json:"name"`
	// Chunks is the number of those ConfigMaps.
	// +kubebuilder:validation:Maximum=2147483647
	Chunks int32 `json:"chunks"`
	// Clusters is the number of clusters planned.
	// +kubebuilder:validation:Maximum=2147483647
	Clusters int32 `json:"clusters"`
	// Digest is the SHA-256 of the first chunk, which holds those of the others. A plan that was changed since is not followed:
	// ConfigMaps can be written by more people than Operations' statuses.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`
}

// OperationStatus is where an Operation stands. It has the same shape on the hub, on a cluster and on an instance.
type OperationStatus struct {
	// ObservedGeneration is the metadata.generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Phase sums up the conditions. Once Succeeded, Failed or Cancelled it never changes.
	// +optional
	Phase OperationPhase `json:"phase,omitempty"`
	// Reason of the present state, as in the condition that holds it.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Message of the present state, at most 1,024 bytes.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// Blocked repeats the Blocked condition as a flat field, for scalar status feedback. A Pending Operation waits to start; a Running one waits
	// for a person, such as a suspended workflow.
	// +optional
	Blocked bool `json:"blocked,omitempty"`
	// Progress is done/total of clusters (hub), of instances (cluster), or in the engine's own measure (instance).
	// +optional
	Progress string `json:"progress,omitempty"`
	// StartedAt is when the run was fenced: no effect is older.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// FinishedAt is when the run ended.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Conditions: Accepted, Running, Succeeded, Failed, Cancelled, Blocked, Degraded.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Engine that runs it, also when spec.engine was left out; on an instance only.
	// +optional
	Engine OperationEngine `json:"engine,omitempty"`
	// Outputs are names that a person can use with the engine's own command line.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Outputs *runtime.RawExtension `json:"outputs,omitempty"`
	// LogsRef points at the logs.
	// +optional
	LogsRef *LogsRef `json:"logsRef,omitempty"`
	// Resources that the run made or changed, in their order; on an instance only.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Resources []ResourceRef `json:"resources,omitempty"`
	// Preparations of the target, in their order; on an instance only. All of them are put back before the run ends.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Preparations []Preparation `json:"preparations,omitempty"`
	// Verdict is how the run ended, while its preparations are being put back; on an instance only.
	// +optional
	Verdict *Verdict `json:"verdict,omitempty"`
	// FailingSince is since when the agent has got no further with the run, because of errors that it tries again after; on an instance only. Empty while
	// there are none.
	// +optional
	FailingSince *metav1.Time `json:"failingSince,omitempty"`
	// Summary counts what lies below; on expanding levels only.
	// +optional
	Summary *Summary `json:"summary,omitempty"`
	// Failures are the first 20 that failed, with their causes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Failures []Failure `json:"failures,omitempty"`
	// Plan describes the frozen plan; on the hub only.
	// +optional
	Plan *PlanStatus `json:"plan,omitempty"`
	// ExpandedAt is when all Operations of the level below existed; none is created after that.
	// +optional
	ExpandedAt *metav1.Time `json:"expandedAt,omitempty"`
	// History holds the last 32 transitions, oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	History []Transition `json:"history,omitempty"`
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
