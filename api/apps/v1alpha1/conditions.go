// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types of an ApplicationInstance, readable by kstatus.
const (
	// ConditionReady is True when the release runs as wanted.
	ConditionReady = "Ready"
	// ConditionReconciling is True while something is being changed; absent otherwise.
	ConditionReconciling = "Reconciling"
	// ConditionDegraded is True when the last change failed and what runs is not what is wanted.
	ConditionDegraded = "Degraded"
	// ConditionBlocked is True when nothing is done until somebody acts.
	ConditionBlocked = "Blocked"
	// ConditionDeleting is True while the release is being removed.
	ConditionDeleting = "Deleting"
)

// Reasons of ApplicationInstance conditions.
const (
	// ReasonInstalled: the release runs as wanted.
	ReasonInstalled = "Installed"
	// ReasonPlaceholder: there is no release to be ready.
	ReasonPlaceholder = "Placeholder"
	// ReasonProgressing: Flux is installing or upgrading.
	ReasonProgressing = "Progressing"
	// ReasonReleaseFailed: Flux gave up on the release; the message says why.
	ReasonReleaseFailed = "ReleaseFailed"
	// ReasonRolledBack: the wanted version failed and Flux went back to the one before.
	ReasonRolledBack = "RolledBack"
	// ReasonSourceFailed: the chart could not be fetched.
	ReasonSourceFailed = "SourceFailed"
	// ReasonHelmReleaseNotFound: an adopted HelmRelease does not exist.
	ReasonHelmReleaseNotFound = "HelmReleaseNotFound"
	// ReasonFieldConflict: somebody else owns a field that would have to be changed.
	ReasonFieldConflict = "FieldConflict"
	// ReasonNamespaceNotGated: the namespace lacks the label managed-by=vworkspace.
	ReasonNamespaceNotGated = "NamespaceNotGated"
	// ReasonNamespaceMismatch: spec.release.namespace is not the instance's namespace.
	ReasonNamespaceMismatch = "NamespaceMismatch"
	// ReasonEngineNotInstalled: Flux's CRDs are not served on this cluster.
	ReasonEngineNotInstalled = "EngineNotInstalled"
	// ReasonClusterNotFound: no ManagedCluster has the name in the cluster-id label.
	ReasonClusterNotFound = "ClusterNotFound"
	// ReasonClusterChanged: the cluster-id label was changed after delivery.
	ReasonClusterChanged = "ClusterChanged"
	// ReasonNotYetReported: delivered, but the cluster has not said anything yet.
	ReasonNotYetReported = "NotYetReported"
	// ReasonNotApplied: the cluster's work agent could not apply the instance; the message says why.
	ReasonNotApplied = "NotApplied"
	// ReasonDeleting: the release is being removed.
	ReasonDeleting = "Deleting"
)
