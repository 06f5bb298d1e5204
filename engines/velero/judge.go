// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"fmt"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// maxCause is how much of Velero's own words goes into a message, so that there is room for what to do.
const maxCause = 768

// judge says where the task stands. The phase decides and nothing else does.
func (t *task) judge(acceptPartialFailure bool) engines.Outcome {
	o := t.ended(acceptPartialFailure)
	if o == nil {
		running := t.running()
		o = &running
	} else {
		t.counted()
	}
	o.Outputs = t.outputs
	o.LogsRef = &opsv1alpha1.LogsRef{Kind: t.kind, Name: t.GetName(), Namespace: t.GetNamespace()}
	if t.items != nil {
		o.Progress = fmt.Sprintf("%d/%d items", t.items.done, t.items.total)
	}
	if t.began != nil {
		o.Began = t.began.Time
	}
	return *o
}

// ended is the outcome of a task that has ended, or nil. These phases are final: Velero takes none of them up again.
func (t *task) ended(acceptPartialFailure bool) *engines.Outcome {
	var o engines.Outcome
	switch t.phase {
	case velerov1.BackupPhaseCompleted:
		o = t.completed()
	case velerov1.BackupPhasePartiallyFailed:
		o = t.partiallyFailed(acceptPartialFailure)
	case velerov1.BackupPhaseFailed:
		o = engines.Failed(t.words.failed, "%s %s failed: %s; see %s", t.kind, t.GetName(), t.cause(), t.command("describe", " --details"))
	case velerov1.BackupPhaseFailedValidation:
		o = engines.Failed(t.words.validationFailed, "Velero refused %s %s, and nothing was done: %s", t.kind, t.GetName(), t.cause())
	case velerov1.BackupPhaseDeleting:
		// The phase before was overwritten, and the data goes. It stays at that when Velero cannot delete everything.
		o = engines.Failed(opsv1alpha1.ReasonResultLost, "Backup %s is being deleted with its data, because somebody asked for it or it expired, "+
			"before its result was read; it is not run again", t.GetName())
	default:
		return nil
	}
	return &o
}

func (t *task) completed() engines.Outcome {
	o := engines.Succeeded(t.words.completed, "%s %s is complete%s", t.kind, t.GetName(), t.tally())
	switch {
	case t.failureReason != "":
		o = engines.Succeeded(t.words.completed, "%s %s is complete by its phase, but Velero also gives a reason for a failure, so do not rely on it: %s; see %s",
			t.kind, t.GetName(), t.cause(), t.command("describe", " --details"))
		o.Degraded = ReasonSuspect
	case t.items != nil && t.items.done == 0:
		o = engines.Succeeded(t.words.completed, "%s %s is complete, but has no items: check labelSelector, includedResources and excludedResources",
			t.kind, t.GetName())
		o.Degraded = ReasonNothingDone
	}
	return o
}

func (t *task) partiallyFailed(accept bool) engines.Outcome {
	why := t.tally()
	if t.failureReason != "" {
		why = ": " + t.cause() + why
	}
	why = fmt.Sprintf("%s %s failed in part%s; see %s and %s", t.kind, t.GetName(), why, t.command("describe", " --details"), t.command("logs", ""))
	if !accept {
		return engines.Failed(t.words.partiallyFailed, "%s", why)
	}
	o := engines.Succeeded(t.words.partiallyFailed, "%s", why)
	o.Degraded = ReasonPartialFailure
	return o
}

// cause in Velero's own words. Of a failure that a restart of Velero caused they say so.
func (t *task) cause() string {
	cause := strings.Join(t.validationErrors, "; ")
	if cause == "" {
		cause = t.failureReason
	}
	if cause == "" {
		return "Velero gives no reason"
	}
	return opsv1alpha1.Truncate(cause, maxCause)
}

// tally counts what there is to count.
func (t *task) tally() string {
	var counts []string
	if t.errors > 0 {
		counts = append(counts, count(t.errors, "error"))
	}
	if t.warnings > 0 {
		counts = append(counts, count(t.warnings, "warning"))
	}
	if t.items != nil {
		counts = append(counts, count(t.items.done, "item"))
	}
	if len(counts) == 0 {
		return ""
	}
	return " (" + strings.Join(counts, ", ") + ")"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// running is the outcome of a task that has not ended. A phase that ends with PartiallyFailed only announces how it will end: data is still being
// moved or written.
func (t *task) running() engines.Outcome {
	if t.GetDeletionTimestamp() != nil {
		return engines.Running(t.words.deleting, "%s %s is being deleted; it is %s, and what has begun goes on", t.kind, t.GetName(), phaseName(t.phase))
	}
	switch t.phase {
	case "", velerov1.BackupPhaseNew, velerov1.BackupPhaseQueued, velerov1.BackupPhaseReadyToStart:
		return t.queued()
	case velerov1.BackupPhaseInProgress:
		return engines.Running(t.words.inProgress, "%s %s is in progress: Velero is %s", t.kind, t.GetName(), t.words.doing)
	case velerov1.BackupPhaseWaitingForPluginOperations, velerov1.BackupPhaseWaitingForPluginOperationsPartiallyFailed:
		return engines.Running(t.words.waiting, "%s %s waits for its volumes: %d of %s done%s", t.kind, t.GetName(), t.operationsDone,
			count(t.operations, "operation"), t.soFar())
	case velerov1.BackupPhaseFinalizing, velerov1.BackupPhaseFinalizingPartiallyFailed:
		return engines.Running(t.words.finalizing, "%s %s is being finalized%s", t.kind, t.GetName(), t.soFar())
	default:
		return engines.Running(ReasonUnknownPhase, "%s %s is in phase %q, which this agent does not know", t.kind, t.GetName(), t.phase)
	}
}

// soFar tells early what the end will be.
func (t *task) soFar() string {
	switch t.phase {
	case velerov1.BackupPhaseWaitingForPluginOperationsPartiallyFailed, velerov1.BackupPhaseFinalizingPartiallyFailed:
		return fmt.Sprintf("; it has failed in part (%s)", count(t.errors, "error"))
	default:
		return ""
	}
}

// queued is a task whose turn has not come: how long that takes is not the run's doing.
func (t *task) queued() engines.Outcome {
	var o engines.Outcome
	switch t.phase {
	case velerov1.BackupPhaseQueued:
		o = engines.Running(t.words.queued, "%s %s waits in Velero's queue, at position %d", t.kind, t.GetName(), t.queuePosition)
	case velerov1.BackupPhaseReadyToStart:
		o = engines.Running(t.words.queued, "%s %s is about to start; a Velero that was restarted at this moment has forgotten it, and is reminded until it begins",
			t.kind, t.GetName())
	default:
		o = engines.Running(t.words.queued, "%s %s waits for Velero to take it; if it stays so, see whether Velero runs in namespace %s",
			t.kind, t.GetName(), t.GetNamespace())
	}
	o.Untimed = true
	return o
}

// phaseName of a phase that may be empty, which Velero reads as New.
func phaseName(p velerov1.BackupPhase) string {
	if p == "" {
		return string(velerov1.BackupPhaseNew)
	}
	return string(p)
}
