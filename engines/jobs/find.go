// SPDX-License-Identifier: Apache-2.0

package jobs

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

// Kind of the object that decides.
const Kind = "Job"

// Kinds are Jobs, which decide, and Pods, which explain. Watch only those with the label ops.vworkspace.io/operation.
func Kinds() []client.Object { return []client.Object{&batchv1.Job{}, &corev1.Pod{}} }

// Find returns the run's own Job of that name, or nil: one of another run, or one that took the recorded one's place, is none.
func Find(ctx context.Context, r client.Reader, run engines.Run, name string) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	key := client.ObjectKey{Namespace: run.Namespace(), Name: name}
	if err := r.Get(ctx, key, job); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("read Job %s: %w", key, err)
	}
	if !run.Owns(job, Kind) {
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
