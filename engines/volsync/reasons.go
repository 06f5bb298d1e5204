// SPDX-License-Identifier: Apache-2.0

package volsync

// Reasons of this engine, beside the shared ones.
const (
	// ReasonBackupCompleted: the files are in the repository.
	ReasonBackupCompleted = "VolSyncBackupCompleted"
	// ReasonRestoreCompleted: the files are in the PersistentVolumeClaim.
	ReasonRestoreCompleted = "VolSyncRestoreCompleted"
	// ReasonVolumeEmpty: the volume has no files, and VolSync then makes no backup.
	ReasonVolumeEmpty = "VolSyncVolumeEmpty"
	// ReasonNothingToRestore: the repository has no backup that fits, and VolSync then restores nothing.
	ReasonNothingToRestore = "VolSyncNothingToRestore"
	// ReasonSynchronizing: VolSync is at work.
	ReasonSynchronizing = "VolSyncSynchronizing"
	// ReasonMoverPending: the mover's pod does not start; the message says what it waits for.
	ReasonMoverPending = "VolSyncMoverPending"
	// ReasonMoverFailed: VolSync gave a mover Job up, and begins another one.
	ReasonMoverFailed = "VolSyncMoverFailed"
	// ReasonError: VolSync cannot start the mover, and tries again; the message has its words.
	ReasonError = "VolSyncError"
	// ReasonPaused: somebody set spec.paused.
	ReasonPaused = "VolSyncPaused"
	// ReasonTriggerChanged: somebody set another spec.trigger, so that VolSync never says that this run is done.
	ReasonTriggerChanged = "VolSyncTriggerChanged"
	// ReasonAwaitingCopyTrigger: the PersistentVolumeClaim says that it is copied only when a person sets its copy trigger.
	ReasonAwaitingCopyTrigger = "VolSyncAwaitingCopyTrigger"
	// ReasonDeleting: the replication is being deleted and its mover may still run.
	ReasonDeleting = "VolSyncDeleting"
	// ReasonReplicating: a recurring backup has synchronized and goes on.
	ReasonReplicating = "VolSyncReplicating"
	// ReasonReplicationFailing: a recurring backup has synchronized before, and does not now.
	ReasonReplicationFailing = "VolSyncReplicationFailing"

	// ReasonSnapshotReady: the VolumeSnapshot can be restored.
	ReasonSnapshotReady = "VolumeSnapshotReadyToUse"
	// ReasonSnapshotInProgress: the VolumeSnapshot is being made.
	ReasonSnapshotInProgress = "VolumeSnapshotInProgress"
	// ReasonSnapshotFailed: the snapshot controller reports an error, and tries again.
	ReasonSnapshotFailed = "VolumeSnapshotFailed"
	// ReasonClaimBound: the new PersistentVolumeClaim has its volume.
	ReasonClaimBound = "PersistentVolumeClaimBound"
	// ReasonClaimAwaitsConsumer: the new PersistentVolumeClaim gets its volume with the first pod that mounts it, as its StorageClass says.
	ReasonClaimAwaitsConsumer = "PersistentVolumeClaimAwaitsConsumer"
	// ReasonClaimPending: the volume of the new PersistentVolumeClaim is being made.
	ReasonClaimPending = "PersistentVolumeClaimPending"
	// ReasonClaimLost: the volume of the new PersistentVolumeClaim is gone.
	ReasonClaimLost = "PersistentVolumeClaimLost"
	// ReasonLeft: the run was cancelled, and what it had begun goes on without it.
	ReasonLeft = "LeftUnfinished"

	// ReasonSourceNotFound: the PersistentVolumeClaim to back up does not exist.
	ReasonSourceNotFound = "SourcePvcNotFound"
	// ReasonDestinationNotFound: the PersistentVolumeClaim to restore into does not exist.
	ReasonDestinationNotFound = "DestinationPvcNotFound"
	// ReasonDestinationInUse: pods mount the PersistentVolumeClaim to restore into.
	ReasonDestinationInUse = "DestinationPvcInUse"
	// ReasonSnapshotNotFound: the VolumeSnapshot to restore does not exist.
	ReasonSnapshotNotFound = "VolumeSnapshotNotFound"
	// ReasonSnapshotNotReady: the VolumeSnapshot to restore is not ready to use.
	ReasonSnapshotNotReady = "VolumeSnapshotNotReady"
	// ReasonMissingSnapshotClass: the VolumeSnapshotClass does not exist.
	ReasonMissingSnapshotClass = "MissingVolumeSnapshotClass"
)
