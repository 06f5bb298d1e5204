// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"context"
	"fmt"
	"strings"

	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// maxQuoted bytes of a mover's log are quoted, so that a message has room for what to do about it.
const maxQuoted = 600

// observeReplication says where a ReplicationSource or a ReplicationDestination stands.
func (e Engine) observeReplication(ctx context.Context, r client.Reader, run engines.Run, ref *opsv1alpha1.ResourceRef) (engines.Outcome, error) {
	rep, err := readReplication(ctx, r, run, ref)
	if err != nil {
		return engines.Outcome{}, err
	}
	if rep == nil {
		return engines.Lost(ref.Kind, ref.Name), nil
	}
	var pods []corev1.Pod
	if !rep.synced(run) {
		if pods, err = moverPods(ctx, r, run); err != nil {
			return engines.Outcome{}, err
		}
	}
	o := e.judge(run, rep, pods)
	o.Progress, o.Outputs = rep.progress(failedPods(pods)), rep.outputs()
	if pod := newest(pods); pod != nil {
		o.LogsRef = &opsv1alpha1.LogsRef{Kind: "Pod", Name: pod.Name, Namespace: pod.Namespace}
	}
	return o, nil
}

// judge decides. A sync that is done wins over whatever came after it. Once a recurring backup has synchronized, spec.timeout has done its work.
func (e Engine) judge(run engines.Run, rep *replication, pods []corev1.Pod) engines.Outcome {
	if rep.synced(run) && !rep.recurring() {
		return finished(rep)
	}
	o := e.unfinished(run, rep, pods)
	o.Untimed = rep.synced(run)
	return o
}

func (e Engine) unfinished(run engines.Run, rep *replication, pods []corev1.Pod) engines.Outcome {
	name := rep.object.GetName()
	switch {
	case rep.object.GetDeletionTimestamp() != nil:
		return engines.Running(ReasonDeleting, "%s %s is being deleted; its mover may still run", rep.kind, name)
	case gaveUp(run, rep):
		return ending(rep, pods)
	case rep.paused && pausedByRun(rep):
		return givingUp(rep, pods)
	case rep.paused:
		return waiting(ReasonPaused, "%s %s is paused: set its spec.paused to false to go on", rep.kind, name)
	case rep.triggerChanged(run):
		return waiting(ReasonTriggerChanged, "the trigger of %s %s was changed, so that VolSync does not acknowledge this run: set its spec.trigger.manual to %s, "+
			"and it synchronizes once more", rep.kind, name, tag(run))
	case rep.awaitsCopyTrigger() && active(pods) == nil:
		return waiting(ReasonAwaitingCopyTrigger, "VolSync waits to copy PersistentVolumeClaim %s until its annotation %s is changed, because its annotation %s is set",
			rep.claim, volsyncv1alpha1.CopyTriggerAnnotation, volsyncv1alpha1.UseCopyTriggerAnnotation)
	case rep.synced(run):
		return standing(rep)
	}
	if e.hopeless(run, rep) {
		return givingUp(rep, pods)
	}
	return syncing(rep, pods)
}

// finished says what a sync that VolSync has acknowledged came to.
func finished(rep *replication) engines.Outcome {
	if rep.mover.Result != volsyncv1alpha1.MoverResultSuccessful {
		return engines.Failed(ReasonMoverFailed, "%s %s has synchronized, and its mover says %q: %s",
			rep.kind, rep.object.GetName(), rep.mover.Result, lastLines(rep.mover.Logs, maxQuoted))
	}
	if nothing := nothingDone(rep); nothing != nil {
		return *nothing
	}
	if rep.kind == kindSource {
		return engines.Succeeded(ReasonBackupCompleted, "PersistentVolumeClaim %s is backed up%s", rep.claim, took(rep))
	}
	return engines.Succeeded(ReasonRestoreCompleted, "PersistentVolumeClaim %s is restored%s", rep.claim, took(rep))
}

// nothingDone is the outcome of a mover that did nothing and calls it a success. Its log is the only place where it says so.
func nothingDone(rep *replication) *engines.Outcome {
	var o engines.Outcome
	switch logs := rep.mover.Logs; {
	case strings.Contains(logs, "Directory is empty skipping backup"):
		o = engines.Failed(ReasonVolumeEmpty, "PersistentVolumeClaim %s holds no files, so VolSync made no backup: "+
			"check that it is the right one, and that its data has not been lost", rep.claim)
	case strings.Contains(logs, "No eligible snapshots found"), strings.Contains(logs, "No data will be restored"):
		o = engines.Failed(ReasonNothingToRestore, "the repository holds no backup that fits, so nothing was restored into PersistentVolumeClaim %s: "+
			"check RESTIC_REPOSITORY in the Secret (VolSync begins an empty repository where there is none), and spec.parameters.restoreAsOf and previous", rep.claim)
	default:
		return nil
	}
	return &o
}

func took(rep *replication) string {
	if rep.duration == nil {
		return ""
	}
	return fmt.Sprintf(" (took %s)", rep.outputs()["lastSyncDuration"])
}

// standing is a recurring backup that has done what was asked and goes on. It never ends by itself.
func standing(rep *replication) engines.Outcome {
	last := "last backup at " + rep.outputs()["lastSyncTime"]
	if c := rep.failing(); c != nil {
		return engines.Running(ReasonReplicationFailing, "%s; since then VolSync reports: %s", last, engines.Redact(oneLine(c.Message)))
	}
	if rep.moverFailed() {
		return engines.Running(ReasonReplicationFailing, "%s; since then the mover fails and is tried again: %s", last, lastLines(rep.mover.Logs, maxQuoted))
	}
	if nothing := nothingDone(rep); nothing != nil {
		return engines.Running(nothing.Reason, "%s", nothing.Message)
	}
	return engines.Running(ReasonReplicating, "%s; goes on by schedule %s until it is cancelled", last, rep.schedule)
}

// syncing says how far the first sync is.
func syncing(rep *replication, pods []corev1.Pod) engines.Outcome {
	name := rep.object.GetName()
	pod := newest(pods)
	if c := rep.failing(); c != nil {
		return engines.Running(ReasonError, "VolSync cannot start to copy PersistentVolumeClaim %s, and tries again: %s", rep.claim, engines.Redact(oneLine(c.Message)))
	}
	if rep.moverFailed() {
		return engines.Running(ReasonMoverFailed, "the mover failed in all of its attempts, and VolSync begins anew: %s", lastLines(rep.mover.Logs, maxQuoted))
	}
	if !rep.seen {
		return engines.Running(opsv1alpha1.ReasonEngineStarted, "VolSync has not taken up %s %s yet; if it stays so, see whether VolSync's controller runs", rep.kind, name)
	}
	if pod == nil {
		return engines.Running(ReasonSynchronizing, "VolSync prepares to copy PersistentVolumeClaim %s; if it stays so, see the events of %s %s", rep.claim, rep.kind, name)
	}
	if why := notStarted(pod); why != "" {
		return engines.Running(ReasonMoverPending, "the mover's pod %s does not start: %s", pod.Name, why)
	}
	return engines.Running(ReasonSynchronizing, "the mover's pod %s is %s", pod.Name, strings.ToLower(string(pod.Status.Phase)))
}

// waiting is an outcome that a person can change.
func waiting(reason, format string, args ...any) engines.Outcome {
	o := engines.Running(reason, format, args...)
	o.Waiting = opsv1alpha1.ReasonAwaitingResume
	return o
}
