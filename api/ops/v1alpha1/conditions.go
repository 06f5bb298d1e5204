// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types of an Operation, on every level.
const (
	// ConditionAccepted is True when the request makes sense, False when it never will.
	ConditionAccepted = "Accepted"
	// ConditionRunning is True between the fence and the end.
	ConditionRunning = "Running"
	// ConditionSucceeded is True when it did what was asked. Wait for this one.
	ConditionSucceeded = "Succeeded"
	// ConditionFailed is True when it did not.
	ConditionFailed = "Failed"
	// ConditionCancelled is True when a person stopped it.
	ConditionCancelled = "Cancelled"
	// ConditionBlocked is True while something keeps it from starting.
	ConditionBlocked = "Blocked"
	// ConditionDegraded is True when it ended well, but not entirely.
	ConditionDegraded = "Degraded"
)

// Reasons that every level and every engine shares. An engine adds its own.
const (
	// ReasonAdmissionPassed: the request makes sense.
	ReasonAdmissionPassed = "AdmissionPassed"
	// ReasonValidationFailed: the request makes no sense; the message names the field and the fix.
	ReasonValidationFailed = "ValidationFailed"
	// ReasonPlanned: the clusters are frozen.
	ReasonPlanned = "Planned"
	// ReasonDryRun: planned and, as asked, not done.
	ReasonDryRun = "DryRun"
	// ReasonExpanded: one Operation per target exists and is being run.
	ReasonExpanded = "Expanded"
	// ReasonRollingOut: ManifestWorks are being created and clusters are at work.
	ReasonRollingOut = "RollingOut"
	// ReasonAllSucceeded: everything below succeeded.
	ReasonAllSucceeded = "AllSucceeded"
	// ReasonSomeFailed: something below failed.
	ReasonSomeFailed = "SomeFailed"
	// ReasonSomeSkipped: whatever was not left out succeeded.
	ReasonSomeSkipped = "SomeSkipped"
	// ReasonRolloutHalted: more clusters failed, or did not answer, than may; a person decides how to go on.
	ReasonRolloutHalted = "RolloutHalted"
	// ReasonSuspended: spec.suspend is set.
	ReasonSuspended = "Suspended"
	// ReasonAwaitingGroupApproval: the next group waits until a person has named it in spec.rollout.approvedGroups.
	ReasonAwaitingGroupApproval = "AwaitingGroupApproval"
	// ReasonFrozen: a Freeze holds it.
	ReasonFrozen = "Frozen"
	// ReasonRollingBack: a budget is used up, and what was changed is put back by another Operation.
	ReasonRollingBack = "RollingBack"
	// ReasonRolledBack: a budget was used up, and the Operation that status.rolledBackBy names puts back what was changed.
	ReasonRolledBack = "RolledBack"
	// ReasonTargetMovedOn: the target is not what the run that is to be rolled back has made of it.
	ReasonTargetMovedOn = "TargetMovedOn"
	// ReasonSupersededByOperation: a newer Operation of the same spec.concurrencyKey took its place.
	ReasonSupersededByOperation = "SupersededByOperation"
	// ReasonLeftPlacement: the Placement selected the cluster no more, and spec.placement.onChange is Follow.
	ReasonLeftPlacement = "LeftPlacement"
	// ReasonProgressDeadlineExceeded: the cluster has not ended within the progressDeadline of the rollout.
	ReasonProgressDeadlineExceeded = "ProgressDeadlineExceeded"
	// ReasonNoTargets: no ApplicationInstance matches the selector.
	ReasonNoTargets = "NoTargets"

	// ReasonEngineStarted: the fence is set; effects may follow.
	ReasonEngineStarted = "EngineStarted"
	// ReasonEngineRunning: the executor is at work.
	ReasonEngineRunning = "EngineRunning"
	// ReasonEngineCompleted: the executor says that it is done.
	ReasonEngineCompleted = "EngineCompleted"
	// ReasonEngineFailed: the executor says that it failed.
	ReasonEngineFailed = "EngineFailed"
	// ReasonPuttingBack: the run has ended, and what was prepared for it is being put back.
	ReasonPuttingBack = "PuttingBack"
	// ReasonNotPutBack: what was prepared for the run could not be put back.
	ReasonNotPutBack = "NotPutBack"
	// ReasonPreparing: the target is being prepared, and the engine has not started.
	ReasonPreparing = "Preparing"
	// ReasonQuiesceFailed: the application could not be quiesced, and the engine was not started.
	ReasonQuiesceFailed = "QuiesceFailed"
	// ReasonNoChange: what was asked for was so already.
	ReasonNoChange = "NoChange"
	// ReasonResultLost: the executor's object went before its result was read. Not run again.
	ReasonResultLost = "ResultLost"
	// ReasonTimeout: spec.timeout went by.
	ReasonTimeout = "Timeout"
	// ReasonUserCancelled: spec.cancel, or the Operation was deleted.
	ReasonUserCancelled = "UserCancelled"

	// ReasonTargetNotFound: the ApplicationInstance does not exist.
	ReasonTargetNotFound = "TargetNotFound"
	// ReasonTargetNotReady: the ApplicationInstance is not Ready.
	ReasonTargetNotReady = "TargetNotReady"
	// ReasonNoTemplate: no OperationTemplate allows the Operation.
	ReasonNoTemplate = "NoTemplate"
	// ReasonAmbiguousTemplate: several OperationTemplates do; name one.
	ReasonAmbiguousTemplate = "AmbiguousTemplate"
	// ReasonTemplateInvalid: the OperationTemplate makes no sense.
	ReasonTemplateInvalid = "TemplateInvalid"
	// ReasonTemplateChanged: the OperationTemplate is not the one that was asked for by digest.
	ReasonTemplateChanged = "TemplateChanged"
	// ReasonPreconditionFailed: a precondition of the OperationTemplate does not hold.
	ReasonPreconditionFailed = "PreconditionFailed"
	// ReasonMissingSecret: a Secret that the OperationTemplate asks for does not exist.
	ReasonMissingSecret = "MissingSecret"
	// ReasonOutsideMaintenanceWindow: the window of the cluster, of the Operation or of its template is closed.
	ReasonOutsideMaintenanceWindow = "OutsideMaintenanceWindow"
	// ReasonLocalVeto: the AgentPolicy of the cluster does not allow it.
	ReasonLocalVeto = "LocalVeto"
	// ReasonClusterBusy: the AgentPolicy of the cluster lets nothing start for now.
	ReasonClusterBusy = "ClusterBusy"
	// ReasonPodNotRestricted: a pod of the run would ask for more than it may in its namespace.
	ReasonPodNotRestricted = "PodNotRestricted"
	// ReasonRequesterUnknown: the API server did not record who asks, so that nobody can tell what they may do.
	ReasonRequesterUnknown = "RequesterUnknown"
	// ReasonNotAuthorized: the requester may not use the template, or not reach the clusters.
	ReasonNotAuthorized = "NotAuthorized"
	// ReasonApprovalInvalid: the claim in spec.approvals is not an approval of this Operation.
	ReasonApprovalInvalid = "ApprovalInvalid"
	// ReasonCapabilityMissing: the ApplicationInstance does not advertise the type with this engine.
	ReasonCapabilityMissing = "CapabilityMissing"
	// ReasonNamespaceNotGated: the namespace lacks the label managed-by=vworkspace.
	ReasonNamespaceNotGated = "NamespaceNotGated"
	// ReasonEngineNotInstalled: the executor's CRD is not served on the cluster.
	ReasonEngineNotInstalled = "EngineNotInstalled"
	// ReasonRbacProfileMissing: the run's profile is not there or lacks a right, or the agent lacks one that an administrator has to give.
	ReasonRbacProfileMissing = "RbacProfileMissing"
	// ReasonConflictingOperation: another Operation on the same target goes first.
	ReasonConflictingOperation = "ConflictingOperation"
	// ReasonAwaitingTurn: as many instances of the cluster are at work as spec.selector.maxConcurrency allows.
	ReasonAwaitingTurn = "AwaitingTurn"
	// ReasonAwaitingApproval: an approval is required and there is none.
	ReasonAwaitingApproval = "AwaitingApproval"
	// ReasonAwaitingResume: the run goes on when a person resumes it in its executor.
	ReasonAwaitingResume = "AwaitingResume"
	// ReasonFieldConflict: a field that would have to be changed is owned by somebody who would change it back.
	ReasonFieldConflict = "FieldConflict"
	// ReasonNameConflict: an object with the run's name exists and is not the run's.
	ReasonNameConflict = "NameConflict"

	// ReasonPlacementNotFound: the Placement does not exist in the Operation's namespace.
	ReasonPlacementNotFound = "PlacementNotFound"
	// ReasonPlacementPending: the Placement has not been decided yet.
	ReasonPlacementPending = "PlacementPending"
	// ReasonNoClusters: the Placement selects no cluster.
	ReasonNoClusters = "NoClusters"
	// ReasonNamespaceNotAllowed: a fleet Operation may select only the spoke namespace of its own name.
	ReasonNamespaceNotAllowed = "NamespaceNotAllowed"
	// ReasonClusterNotFound: the cluster does not exist on the hub.
	ReasonClusterNotFound = "ClusterNotFound"
	// ReasonClusterUnreachable: the cluster has not been heard of; it was told nothing, or has not answered.
	ReasonClusterUnreachable = "ClusterUnreachable"
	// ReasonAgentMissing: the cluster is reachable but nothing there takes Operations.
	ReasonAgentMissing = "AgentMissing"
	// ReasonDispatchFailed: the cluster could be sent nothing within the start deadline.
	ReasonDispatchFailed = "DispatchFailed"
	// ReasonNotYetReported: told, and has not answered yet.
	ReasonNotYetReported = "NotYetReported"
)
