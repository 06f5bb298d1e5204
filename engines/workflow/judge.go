// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"fmt"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Reasons of this engine's outcomes.
const (
	// ReasonSucceeded: the Workflow succeeded.
	ReasonSucceeded = "WorkflowSucceeded"
	// ReasonFailed: a step failed, or Argo refused the Workflow; the message has the step and its cause.
	ReasonFailed = "WorkflowFailed"
	// ReasonError: Argo itself could not carry the Workflow out.
	ReasonError = "WorkflowError"
	// ReasonStopped: somebody stopped the Workflow in Argo.
	ReasonStopped = "WorkflowStopped"
	// ReasonNotTakenUp: no workflow controller has looked at the Workflow yet.
	ReasonNotTakenUp = "WorkflowNotTakenUp"
	// ReasonPending: Argo has the Workflow in its queue; the message says what it waits for.
	ReasonPending = "WorkflowPending"
	// ReasonSuspended: the Workflow goes on when somebody resumes it.
	ReasonSuspended = "WorkflowSuspended"
	// ReasonStopping: the Workflow was told to stop and has not ended.
	ReasonStopping = "WorkflowStopping"
	// ReasonDeleting: the Workflow is being deleted and has not ended.
	ReasonDeleting = "WorkflowDeleting"
	// ReasonTemplateNotFound: the WorkflowTemplate does not exist. The run waits until somebody installs it.
	ReasonTemplateNotFound = "WorkflowTemplateNotFound"
)

// labelCompleted is what Argo marks a Workflow with, together with its last phase, when it will not touch it again.
const labelCompleted = "workflows.argoproj.io/completed"

// judge says where the Workflow stands.
func judge(wf *wfv1.Workflow) engines.Outcome {
	steps := readSteps(wf)
	o := running(wf, steps)
	if ended(wf) {
		o = end(wf, steps)
	}
	o.Began = wf.Status.StartedAt.Time
	if p := wf.Status.Progress; p != wfv1.ProgressUndefined && p != wfv1.ProgressZero {
		o.Progress = string(p)
	}
	o.Outputs = outputs(wf)
	o.LogsRef = &opsv1alpha1.LogsRef{Kind: kind, Name: wf.Name, Namespace: wf.Namespace}
	return o
}

// ended tells whether Argo is done with the Workflow. The phase alone does not: a retry by hand sets the label back.
func ended(wf *wfv1.Workflow) bool {
	return wf.Status.Phase.Completed() && wf.Labels[labelCompleted] == "true"
}

// begun tells whether the Workflow has left Argo's queue.
func begun(wf *wfv1.Workflow) bool { return !wf.Status.StartedAt.IsZero() }

// end says how the Workflow ended.
func end(wf *wfv1.Workflow, s steps) engines.Outcome {
	stopped := wf.Spec.Shutdown.Enabled()
	switch wf.Status.Phase {
	case wfv1.WorkflowSucceeded:
		// Argo calls it a success when it terminates a workflow that waits for a lock; what that was to do is then left behind as it is.
		if stopped && !s.done(wf.Name) {
			return engines.Failed(ReasonStopped, "Workflow %s was stopped (%s) before it was done, although Argo calls it a success", wf.Name, wf.Spec.Shutdown)
		}
		return engines.Succeeded(ReasonSucceeded, "Workflow %s succeeded", wf.Name)
	case wfv1.WorkflowError:
		return engines.Failed(ReasonError, "%s", cause(wf, s, "had an error"))
	default:
		if stopped {
			return engines.Failed(ReasonStopped, "Workflow %s was stopped (%s): %s", wf.Name, wf.Spec.Shutdown, cause(wf, s, "failed"))
		}
		return engines.Failed(ReasonFailed, "%s", cause(wf, s, "failed"))
	}
}

// running says what a Workflow that has not ended does, or waits for. A suspended one is not seen to be stopped by Argo, so that comes first.
func running(wf *wfv1.Workflow, s steps) engines.Outcome {
	switch {
	case wf.DeletionTimestamp != nil:
		return engines.Running(ReasonDeleting, "Workflow %s is being deleted; its pods may still run", wf.Name)
	case wf.Spec.Suspend != nil && *wf.Spec.Suspend:
		return awaitResume(wf, "Workflow %s is suspended", wf.Name)
	case wf.Spec.Shutdown.Enabled():
		return engines.Running(ReasonStopping, "Workflow %s is being stopped (%s)", wf.Name, wf.Spec.Shutdown)
	}
	switch wf.Status.Phase {
	case wfv1.WorkflowUnknown:
		return engines.Running(ReasonNotTakenUp, "no workflow controller has taken up Workflow %s yet: if it stays so, see whether Argo's controller runs, "+
			"whether it watches this namespace, and that it has no instanceID", wf.Name)
	case wfv1.WorkflowPending:
		o := engines.Running(ReasonPending, "Workflow %s is pending: %s", wf.Name, said(wf.Status.Message))
		o.Untimed = !begun(wf)
		return o
	case wfv1.WorkflowRunning:
		if waits := s.suspended(wf); waits != "" {
			return awaitResume(wf, "%s", waits)
		}
		return engines.Running(opsv1alpha1.ReasonEngineRunning, "Workflow %s: %s", wf.Name, s.active(wf))
	default:
		// Terminal and not marked as completed, or a phase of a later Argo.
		return engines.Running(opsv1alpha1.ReasonEngineRunning, "Workflow %s is %s, and Argo has not marked it as completed", wf.Name, wf.Status.Phase)
	}
}

// awaitResume is a run that waits for a person.
func awaitResume(wf *wfv1.Workflow, format string, args ...any) engines.Outcome {
	o := engines.Running(ReasonSuspended, "%s: resume it with: argo resume %s -n %s", fmt.Sprintf(format, args...), wf.Name, wf.Namespace)
	o.Waiting = opsv1alpha1.ReasonAwaitingResume
	return o
}
