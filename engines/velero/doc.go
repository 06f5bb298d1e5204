// SPDX-License-Identifier: Apache-2.0

// Package velero is the engine that backs up and restores a namespace by Velero.
//
//	Backup:   spec.parameters -> BackupParameters  -> Backup  (of the Operation's namespace)
//	Restore:  spec.parameters -> RestoreParameters -> Restore (into the Operation's namespace)
//	          status.phase of either -> Outcome
//
// Both live in Velero's own namespace, so nothing there is owned by the Operation, and both outlive it: who deletes an Operation does not
// want to lose the Backup. The phase alone decides. completionTimestamp does not: Velero leaves it out of some ends (a storage location
// that went away), and writes it before others. A phase of FinalizingPartiallyFailed is not an end either, because the data is still being
// written.
package velero
