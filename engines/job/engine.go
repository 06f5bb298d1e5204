// SPDX-License-Identifier: Apache-2.0

package job

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Engine runs Jobs.
type Engine struct{}

var (
	_ engines.Engine   = Engine{}
	_ engines.Canceler = Engine{}
)

// New returns the engine.
func New() Engine { return Engine{} }

// Name is job.
func (Engine) Name() opsv1alpha1.OperationEngine { return opsv1alpha1.EngineJob }

// Kinds are Jobs, which decide, and Pods, which explain. Watch only those with the label ops.vworkspace.io/operation.
func (Engine) Kinds() []client.Object { return []client.Object{&batchv1.Job{}, &corev1.Pod{}} }

// Plan creates one Job.
func (Engine) Plan(_ context.Context, _ client.Reader, run engines.Run) ([]engines.Change, error) {
	p, err := decode(run.Operation)
	if err != nil {
		return nil, err
	}
	return []engines.Change{engines.Create(build(run, p))}, nil
}

// Observe reads the run's Job, and its pods for the details.
func (Engine) Observe(ctx context.Context, r client.Reader, run engines.Run) (engines.Outcome, error) {
	job, err := find(ctx, r, run)
	if err != nil {
		return engines.Outcome{}, err
	}
	if job == nil {
		if run.Applied() {
			return engines.Lost("Job", run.Name()), nil
		}
		return engines.Running(opsv1alpha1.ReasonEngineStarted, "Job %s has not been created yet", run.Name()), nil
	}
	pods, err := podsOf(ctx, r, job)
	if err != nil {
		return engines.Outcome{}, err
	}
	return judge(job, pods), nil
}

// Cancel deletes the Job with its pods. A Job that has ended keeps its result.
func (Engine) Cancel(ctx context.Context, r client.Reader, run engines.Run) (engines.Cancellation, error) {
	job, err := find(ctx, r, run)
	if err != nil {
		return engines.Cancellation{}, err
	}
	if job == nil || ended(job) != nil {
		return engines.Cancellation{Message: fmt.Sprintf("Job %s does not run; there is nothing to stop", run.Name())}, nil
	}
	doomed := &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Name: job.Name, Namespace: job.Namespace, UID: job.UID},
	}
	return engines.Cancellation{
		Delete:  []client.Object{doomed},
		Message: fmt.Sprintf("Job %s and its pod are deleted; what the command did until then is not undone", run.Name()),
	}, nil
}

// find returns the run's own Job, or nil: one of another run, or one that took the recorded one's place, is none.
func find(ctx context.Context, r client.Reader, run engines.Run) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	key := client.ObjectKey{Namespace: run.Namespace(), Name: run.Name()}
	if err := r.Get(ctx, key, job); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("read Job %s: %w", key, err)
	}
	if !run.Owns(job, "Job") {
		return nil, nil
	}
	return job, nil
}

// podsOf lists the Job's pods.
func podsOf(ctx context.Context, r client.Reader, job *batchv1.Job) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	err := r.List(ctx, list, client.InNamespace(job.Namespace),
		client.MatchingLabels{opsv1alpha1.LabelOperation: job.Labels[opsv1alpha1.LabelOperation]})
	if err != nil {
		return nil, fmt.Errorf("list the pods of Job %s: %w", job.Name, err)
	}
	var pods []corev1.Pod
	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], job) {
			pods = append(pods, list.Items[i])
		}
	}
	return pods, nil
}
