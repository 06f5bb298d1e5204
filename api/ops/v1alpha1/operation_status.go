// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

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
	// Skipped were left out: they are gone, or did not answer and may be left out.
	// +optional
	// +kubebuilder:validation:Maximum=2147483647
	Skipped int32 `json:"skipped,omitempty"`
}

// Done is how many have ended.
func (c Counts) Done() int32 { return c.Succeeded + c.Failed + c.Cancelled + c.Skipped }

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
	// Chunks is the number of those ConfigMaps, without those that were added.
	// +kubebuilder:validation:Maximum=2147483647
	Chunks int32 `json:"chunks"`
	// Clusters is the number of clusters planned.
	// +kubebuilder:validation:Maximum=2147483647
	Clusters int32 `json:"clusters"`
	// Added are the SHA-256 of the chunks that clusters were added by which joined the Placement later, in their order: ConfigMaps that are numbered on from
	// the others.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=64
	Added []string `json:"added,omitempty"`
	// Digest is the SHA-256 of the first chunk, which holds those of the others. A plan that was changed since is not followed:
	// ConfigMaps can be written by more people than Operations' statuses.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`
}

// TemplateStatus is the template that a run follows, as it was when it started: changing the template does not change the run.
type TemplateStatus struct {
	// Name of the OperationTemplate.
	Name string `json:"name"`
	// Digest is the SHA-256 of its spec.
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`
	// RBACProfile of the run; on an instance only.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	RBACProfile string `json:"rbacProfile,omitempty"`
	// Defaults that were filled into the parameters; on an instance only.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Defaults *runtime.RawExtension `json:"defaults,omitempty"`
	// Redact are the parameters whose values appear nowhere; on an instance only.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Redact []string `json:"redact,omitempty"`
	// Exclusive runs beside no other Operation on the target; on an instance only.
	// +optional
	Exclusive bool `json:"exclusive,omitempty"`
}

// RolloutStatus is how far a rollout has come.
type RolloutStatus struct {
	// Started is how many clusters, from the first of the plan on, have been started. None of them is started again.
	// +kubebuilder:validation:Maximum=2147483647
	Started int32 `json:"started"`
	// Group that is at work: its name, or its number from 0 where the Placement gives it none. Empty when all have ended.
	// +optional
	Group string `json:"group,omitempty"`
	// Groups of the plan.
	// +kubebuilder:validation:Maximum=2147483647
	Groups int32 `json:"groups"`
	// SoakingUntil is when the next cluster has been well for as long as minSuccessTime asks, when nothing else is waited for.
	// +optional
	SoakingUntil *metav1.Time `json:"soakingUntil,omitempty"`
	// ExpectedEnd is when the run will have ended, by how long its clusters have taken so far. Empty while none has ended, and while nothing is started.
	// +optional
	ExpectedEnd *metav1.Time `json:"expectedEnd,omitempty"`
	// Attempt is the last retry that was begun; 0 when there was none.
	// +optional
	// +kubebuilder:validation:Maximum=2147483647
	Attempt int32 `json:"attempt,omitempty"`
	// ByGroup is how the groups went that have been begun, in the order of the plan: the last 32 of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	ByGroup []GroupStatus `json:"byGroup,omitempty"`
}

// GroupStatus is how a group of a rollout went.
type GroupStatus struct {
	// Name of the group, or its number.
	Name string `json:"name"`
	// Clusters of the group by state.
	Clusters Counts `json:"clusters"`
	// StartedAt is when its first cluster began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// FinishedAt is when its last cluster ended. Empty while one has not.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
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
	// Template that the run follows. On expanding levels only when it is one for all that lies below.
	// +optional
	Template *TemplateStatus `json:"template,omitempty"`
	// Approval is who agreed to the run, where somebody had to. What lies below an Operation runs by its approval, and has none of its own.
	// +optional
	Approval *ApprovalStatus `json:"approval,omitempty"`
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
	// Rollout is how far it has come through the plan; on the hub only.
	// +optional
	Rollout *RolloutStatus `json:"rollout,omitempty"`
	// RolledBackBy names the Operation that puts back what this one changed; on the hub only.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RolledBackBy string `json:"rolledBackBy,omitempty"`
	// ExpandedAt is when all Operations of the level below existed; none is created after that.
	// +optional
	ExpandedAt *metav1.Time `json:"expandedAt,omitempty"`
	// History holds the last 32 transitions, oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	History []Transition `json:"history,omitempty"`
	// Transitions counts all that there were, also those that history no longer holds: the last of history has this number.
	// +optional
	Transitions int64 `json:"transitions,omitempty"`
}
