// SPDX-License-Identifier: Apache-2.0

// Package volsync is the engine that copies volumes, by VolSync and by CSI snapshots.
//
//	Backup   restic    ReplicationSource (runner)          -> a snapshot in a restic repository
//	Backup   snapshot  VolumeSnapshot (artefact)           -> itself
//	Restore  restic    [PVC], ReplicationDestination       -> the files in the PVC (artefacts)
//	Restore  snapshot  PVC with dataSource (artefact)      -> itself
//
// VolSync has no word for a sync that failed for good: it tries again for ever. So an end is told from the manual trigger that VolSync
// acknowledges, and a bound is the Operation's, or this engine's own where the Operation has none (giveup.go). What the mover calls a success is not
// always one: an empty volume is not backed up, and an empty repository restores nothing (judge.go).
package volsync
