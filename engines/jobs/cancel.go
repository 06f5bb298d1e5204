// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// Cancel deletes the run's Job of that name with its pods. A Job that has ended keeps its result. What runs in it is told by its name, such as
// "command".
func Cancel(ctx context.Context, r client.Reader, run engines.Run, name, what string) (engines.Cancellation, error) {
	job, err := Find(ctx, r, run, name)
	if err != nil {
		return engines.Cancellation{}, err
	}
	if job == nil && run.Recorded(Kind, run.Namespace(), name) != "" {
		// Stopped by somebody, or by us before the agent could say so.
		return engines.Cancellation{Message: fmt.Sprintf("Job %s is gone; what the %s did until then is not undone", name, what)}, nil
	}
	if job == nil || ended(job) != nil {
		return engines.Cancellation{Message: fmt.Sprintf("Job %s does not run; there is nothing to stop", name)}, nil
	}
	doomed := &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: Kind},
		ObjectMeta: metav1.ObjectMeta{Name: job.Name, Namespace: job.Namespace, UID: job.UID},
	}
	return engines.Cancellation{
		Delete:  []client.Object{doomed},
		Message: fmt.Sprintf("Job %s and its pod are deleted; what the %s did until then is not undone", name, what),
	}, nil
}
