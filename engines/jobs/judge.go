// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"cmp"
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Reasons of a Job's outcomes.
const (
	// ReasonSucceeded: the Job is Complete.
	ReasonSucceeded = "JobSucceeded"
	// ReasonBackoffExceeded: the container failed in every attempt that it had.
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
	// ReasonPodPending: the pod exists and its container has not started; the message says what it waits for.
	ReasonPodPending = "JobPodPending"
)

// Judge says where the Job stands; subject is what messages call it. Only the two terminal conditions end a run: SuccessCriteriaMet and
// FailureTarget announce an end whose pods are still running.
func Judge(ctx context.Context, r client.Reader, job *batchv1.Job, subject string) (engines.Outcome, error) {
	pods, err := podsOf(ctx, r, job)
	if err != nil {
		return engines.Outcome{}, err
	}
	pod := latest(pods)
	o := state(job, pod, pods, subject)
	o.Progress = fmt.Sprintf("attempt %d/%d", attempt(job), limit(job)+1)
	o.Outputs = map[string]string{"jobName": job.Name}
	o.LogsRef = &opsv1alpha1.LogsRef{Kind: Kind, Name: job.Name, Namespace: job.Namespace}
	if pod != nil {
		o.Outputs["podName"] = pod.Name
		o.LogsRef = &opsv1alpha1.LogsRef{Kind: "Pod", Name: pod.Name, Namespace: pod.Namespace}
	}
	return o, nil
}

func state(job *batchv1.Job, pod *corev1.Pod, pods []corev1.Pod, subject string) engines.Outcome {
	if end := ended(job); end != nil {
		if end.Type == batchv1.JobComplete {
			return engines.Succeeded(ReasonSucceeded, "%s is complete", subject)
		}
		return failure(job, end, pods, subject)
	}
	switch {
	case job.DeletionTimestamp != nil:
		return engines.Running(ReasonDeleting, "%s is being deleted; its pod may still run", subject)
	case job.Spec.Suspend != nil && *job.Spec.Suspend:
		return engines.Running(ReasonSuspended, "%s is suspended: set its spec.suspend to false to go on", subject)
	case pod == nil:
		return engines.Running(opsv1alpha1.ReasonEngineStarted, "%s has no pod yet: if it stays so, see the Job's events; "+
			"its ServiceAccount %s must exist, and quotas and Pod Security must allow the pod", subject,
			cmp.Or(job.Spec.Template.Spec.ServiceAccountName, "default"))
	}
	if why := waiting(pod); why != "" {
		return engines.Running(ReasonPodPending, "pod %s does not start: %s", pod.Name, why)
	}
	return engines.Running(opsv1alpha1.ReasonEngineRunning, "pod %s is %s", pod.Name, phase(pod))
}

// failure tells the ways to fail apart, and quotes the pod that failed last.
func failure(job *batchv1.Job, end *batchv1.JobCondition, pods []corev1.Pod, subject string) engines.Outcome {
	reason, what := ReasonFailed, fmt.Sprintf("%s failed (%s)", subject, end.Reason)
	switch end.Reason {
	case batchv1.JobReasonBackoffLimitExceeded:
		reason, what = ReasonBackoffExceeded, fmt.Sprintf("%s failed after %d attempt(s)", subject, attempt(job))
	case batchv1.JobReasonDeadlineExceeded:
		reason, what = ReasonDeadlineExceeded, fmt.Sprintf("%s was stopped at its deadline", subject)
		if s := job.Spec.ActiveDeadlineSeconds; s != nil {
			what = fmt.Sprintf("%s was stopped at its deadline of %d s", subject, *s)
		}
	case batchv1.JobReasonPodFailurePolicy:
		reason, what = ReasonPodFailurePolicy, fmt.Sprintf("%s was ended by its pod failure policy: %s", subject, end.Message)
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

// Ended tells whether the Job has a result, good or bad.
func Ended(job *batchv1.Job) bool { return ended(job) != nil }

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
		return 6 // Kubernetes' own default, as an API server would have filled it in
	}
	return *job.Spec.BackoffLimit
}
