// SPDX-License-Identifier: Apache-2.0

// Package logs prints what the runs of an Operation said, whatever engine ran them:
//
//	job, helmHookJob   the logs of the Job's pods
//	workflow           the logs of the pods, step by step, and what Argo says of steps that have none
//	velero             the log of the Backup or Restore, which Velero keeps in its storage, by a DownloadRequest
//	helm               what Flux says of the release: its conditions, its history and its Events
//	volsync            the logs of the mover's pods, and what VolSync has kept of them
//
// It prints what is there, and says of the rest why it is not: a log that could not be read is never passed over.
package logs
