// SPDX-License-Identifier: Apache-2.0

package velero

// Reasons of this engine's outcomes.
const (
	// ReasonBackupCompleted: the Backup is complete.
	ReasonBackupCompleted = "VeleroBackupCompleted"
	// ReasonBackupPartiallyFailed: the Backup was written, but some items or volumes are missing from it.
	ReasonBackupPartiallyFailed = "VeleroBackupPartiallyFailed"
	// ReasonBackupFailed: there is no usable Backup; the message has Velero's own reason.
	ReasonBackupFailed = "VeleroBackupFailed"
	// ReasonBackupValidationFailed: Velero refused the Backup before it began.
	ReasonBackupValidationFailed = "VeleroBackupValidationFailed"
	// ReasonBackupQueued: the Backup waits its turn. spec.timeout does not count.
	ReasonBackupQueued = "VeleroBackupQueued"
	// ReasonBackupInProgress: objects are being written and snapshots taken.
	ReasonBackupInProgress = "VeleroBackupInProgress"
	// ReasonBackupWaiting: the objects are written; volume data is still being moved.
	ReasonBackupWaiting = "VeleroBackupWaitingForPluginOperations"
	// ReasonBackupFinalizing: the Backup is being wrapped up.
	ReasonBackupFinalizing = "VeleroBackupFinalizing"
	// ReasonBackupDeleting: the Backup object is being deleted and has not ended.
	ReasonBackupDeleting = "VeleroBackupDeleting"

	// ReasonRestoreCompleted: the Restore is complete.
	ReasonRestoreCompleted = "VeleroRestoreCompleted"
	// ReasonRestorePartiallyFailed: the Restore went through, but some items or volumes could not be restored.
	ReasonRestorePartiallyFailed = "VeleroRestorePartiallyFailed"
	// ReasonRestoreFailed: the Restore broke off; the message has Velero's own reason. Some items may have been restored.
	ReasonRestoreFailed = "VeleroRestoreFailed"
	// ReasonRestoreValidationFailed: Velero refused the Restore before it began.
	ReasonRestoreValidationFailed = "VeleroRestoreValidationFailed"
	// ReasonRestoreQueued: the Restore waits its turn. spec.timeout does not count.
	ReasonRestoreQueued = "VeleroRestoreQueued"
	// ReasonRestoreInProgress: objects and volumes are being restored.
	ReasonRestoreInProgress = "VeleroRestoreInProgress"
	// ReasonRestoreWaiting: the objects are restored; volume data is still being moved.
	ReasonRestoreWaiting = "VeleroRestoreWaitingForPluginOperations"
	// ReasonRestoreFinalizing: the Restore is being wrapped up.
	ReasonRestoreFinalizing = "VeleroRestoreFinalizing"
	// ReasonRestoreDeleting: the Restore object is being deleted and has not ended.
	ReasonRestoreDeleting = "VeleroRestoreDeleting"

	// ReasonUnknownPhase: Velero is in a phase that this agent does not know. The run goes on.
	ReasonUnknownPhase = "VeleroUnknownPhase"
)

// Reasons why a run waits to start.
const (
	// ReasonLocationNotFound: there is no such BackupStorageLocation, or no default one.
	ReasonLocationNotFound = "VeleroStorageLocationNotFound"
	// ReasonLocationUnavailable: Velero cannot use the BackupStorageLocation; the message has Velero's own reason.
	ReasonLocationUnavailable = "VeleroStorageLocationUnavailable"
	// ReasonLocationReadOnly: the BackupStorageLocation takes no new Backups.
	ReasonLocationReadOnly = "VeleroStorageLocationReadOnly"
	// ReasonSnapshotClassMissing: the VolumeSnapshotClass does not exist, or the cluster knows no CSI snapshots.
	ReasonSnapshotClassMissing = "MissingVolumeSnapshotClass"
	// ReasonBackupNotFound: the Backup to restore is not in Velero's namespace, or not yet.
	ReasonBackupNotFound = "VeleroBackupNotFound"
	// ReasonBackupNotCompleted: the Backup to restore is still being made.
	ReasonBackupNotCompleted = "VeleroBackupNotCompleted"
)

// Reasons why a success is not an entire one.
const (
	// ReasonPartialFailure: it was accepted that some items or volumes failed.
	ReasonPartialFailure = "PartialFailure"
	// ReasonSuspect: Velero says Completed and gives a reason for a failure at once, as when two of its processes ran at a time.
	ReasonSuspect = "VeleroCompletedWithFailureReason"
	// ReasonNothingDone: Velero completed without a single item.
	ReasonNothingDone = "VeleroNoItems"
)

// vocabulary holds one kind's reasons, so that Backups and Restores are judged by the same rules.
type vocabulary struct {
	completed, partiallyFailed, failed, validationFailed     string
	queued, inProgress, waiting, finalizing, deleting, doing string
}

var (
	backupWords = vocabulary{
		completed: ReasonBackupCompleted, partiallyFailed: ReasonBackupPartiallyFailed,
		failed: ReasonBackupFailed, validationFailed: ReasonBackupValidationFailed,
		queued: ReasonBackupQueued, inProgress: ReasonBackupInProgress, waiting: ReasonBackupWaiting,
		finalizing: ReasonBackupFinalizing, deleting: ReasonBackupDeleting, doing: "backing up",
	}
	restoreWords = vocabulary{
		completed: ReasonRestoreCompleted, partiallyFailed: ReasonRestorePartiallyFailed,
		failed: ReasonRestoreFailed, validationFailed: ReasonRestoreValidationFailed,
		queued: ReasonRestoreQueued, inProgress: ReasonRestoreInProgress, waiting: ReasonRestoreWaiting,
		finalizing: ReasonRestoreFinalizing, deleting: ReasonRestoreDeleting, doing: "restoring",
	}
)
