// SPDX-License-Identifier: Apache-2.0

package helmhookjob

// Reasons of this engine, beside those of a Job (package jobs) and the shared ones. The first two are words in the message of a ValidationFailed.
const (
	// ReasonHookNotFound: the deployed release has no such hook; the message names those that it has.
	ReasonHookNotFound = "HookNotFound"
	// ReasonHookNotRunnable: there is such a hook, and it cannot be run as a Job.
	ReasonHookNotRunnable = "HookNotRunnable"
	// ReasonHookRequiresRelease: nothing is deployed whose hooks could be run.
	ReasonHookRequiresRelease = "HookRequiresRelease"
	// ReasonReleaseRecordGone: the record of the revision that the run began with is not there any more, or is another one.
	ReasonReleaseRecordGone = "ReleaseRecordGone"
	// ReasonHooksSucceeded: all Jobs are Complete.
	ReasonHooksSucceeded = "HelmHookJobSucceeded"
)
