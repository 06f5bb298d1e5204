// SPDX-License-Identifier: Apache-2.0

package job

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Reasons of this engine's outcomes.
const (
	// ReasonSucceeded: the Job is Complete.
	ReasonSucceeded = "JobSucceeded"
	// ReasonBackoffExceeded: the command failed in every attempt that it had.
	ReasonBackoffExceeded = "JobFailedBackoffExceeded"
	// ReasonDeadlineExceeded: the Job's own deadline went by.
	ReasonDeadlineExceeded = "JobActiveDeadlineExceeded"
	// ReasonPodFailurePolicy: a rule on the Job ended it at the first failure of a kind.
	ReasonPodFailurePolicy = "JobPodFailurePolicy"
	// ReasonFailed: the Job failed in another way; the message has Kubernetes' own reason.
	ReasonFailed = "JobFailed"
	// ReasonSuspended: somebody set spec.suspend on the Job.
	ReasonSuspended = "JobSuspended"
	// ReasonDeleting: the Job is being deleted and has not ended.
	ReasonDeleting = "JobDeleting"
	// ReasonPodPending: the pod exists and its command has not started; the message says what it waits for.
	ReasonPodPending = "JobPodPending"
)

// judge says where the Job stands. Only the two terminal conditions end a run: SuccessCriteriaMet and FailureTarget announce an end whose
// pods are still running.
func judge(job *batchv1.Job, pods []corev1.Pod) engines.Outcome {
	pod := latest(pods)
	o := state(job, pod, pods)
	o.Progress = fmt.Sprintf("attempt %d/%d", attempt(job), limit(job)+1)
	o.Outputs = map[string]string{"jobName": job.Name}
	o.LogsRef = &opsv1alpha1.LogsRef{Kind: "Job", Name: job.Name, Namespace: job.Namespace}
	if pod != nil {
		o.Outputs["podName"] = pod.Name
		o.LogsRef = &opsv1alpha1.LogsRef{Kind: "Pod", Name: pod.Name, Namespace: pod.Namespace}
	}
	return o
}

func state(job *batchv1.Job, pod *corev1.Pod, pods []corev1.Pod) engines.Outcome {
	if end := ended(job); end != nil {
		if end.Type == batchv1.JobComplete {
			return engines.Succeeded(ReasonSucceeded, "Job %s is complete", job.Name)
		}
		return failure(job, end, pods)
	}
	switch {
	case job.DeletionTimestamp != nil:
		return engines.Running(ReasonDeleting, "Job %s is being deleted; its pod may still run", job.Name)
	case job.Spec.Suspend != nil && *job.Spec.Suspend:
		return engines.Running(ReasonSuspended, "Job %s is suspended: set its spec.suspend to false to go on", job.Name)
	case pod == nil:
		return engines.Running(opsv1alpha1.ReasonEngineStarted, "Job %s has no pod yet: if it stays so, see the Job's events; "+
			"its ServiceAccount %s must exist, and quotas and Pod Security must allow the pod", job.Name, job.Spec.Template.Spec.ServiceAccountName)
	}
	if why := waiting(pod); why != "" {
		return engines.Running(ReasonPodPending, "pod %s does not start: %s", pod.Name, why)
	}
	return engines.Running(opsv1alpha1.ReasonEngineRunning, "pod %s is %s", pod.Name, phase(pod))
}

// failure tells the ways to fail apart, and quotes the pod that failed last.
func failure(job *batchv1.Job, end *batchv1.JobCondition, pods []corev1.Pod) engines.Outcome {
	reason, what := ReasonFailed, fmt.Sprintf("Job %s failed (%s)", job.Name, end.Reason)
	switch end.Reason {
	case batchv1.JobReasonBackoffLimitExceeded:
		reason, what = ReasonBackoffExceeded, fmt.Sprintf("Job %s failed after %d attempt(s)", job.Name, attempt(job))
	case batchv1.JobReasonDeadlineExceeded:
		reason, what = ReasonDeadlineExceeded, fmt.Sprintf("Job %s was stopped at its deadline", job.Name)
		if s := job.Spec.ActiveDeadlineSeconds; s != nil {
			what = fmt.Sprintf("Job %s was stopped at its deadline of %d s", job.Name, *s)
		}
	case batchv1.JobReasonPodFailurePolicy:
		reason, what = ReasonPodFailurePolicy, fmt.Sprintf("Job %s was ended by its pod failure policy: %s", job.Name, end.Message)
	default:
		if end.Message != "" {
			what += ": " + end.Message
		}
	}
	what = opsv1alpha1.Truncate(what, maxSummary)
	if pod := latestFailed(pods); pod != nil {
		return engines.Failed(reason, "%s; %s", what, cause(pod, opsv1alpha1.MaxMessage-len(what)-len("; ")))
	}
	return engines.Failed(reason, "%s", what)
}

// ended is the condition that ended the Job, or nil.
func ended(job *batchv1.Job) *batchv1.JobCondition {
	for i, c := range job.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

// attempt counts from 1; it is the number of the attempt that runs, or that ended the Job.
func attempt(job *batchv1.Job) int32 {
	if end := ended(job); end != nil && end.Type == batchv1.JobFailed {
		return max(job.Status.Failed, 1)
	}
	return job.Status.Failed + 1
}

func limit(job *batchv1.Job) int32 {
	if job.Spec.BackoffLimit == nil {
		return 6 // Kubernetes' own default; ours are always set
	}
	return *job.Spec.BackoffLimit
}
