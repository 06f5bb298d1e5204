// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// maxNamed pods are named in a message; of more it says how many.
const maxNamed = 5

// claimNamed reads a PersistentVolumeClaim that must exist; without it the run is blocked by that reason.
func claimNamed(ctx context.Context, r client.Reader, run engines.Run, name, missing string) (*corev1.PersistentVolumeClaim, error) {
	claim := &corev1.PersistentVolumeClaim{}
	err := r.Get(ctx, client.ObjectKey{Namespace: run.Namespace(), Name: name}, claim)
	if apierrors.IsNotFound(err) {
		return nil, &engines.BlockedError{Reason: missing, Message: fmt.Sprintf(
			"PersistentVolumeClaim %s does not exist in namespace %s: create it, or correct spec.parameters.pvc in a new Operation", name, run.Namespace())}
	}
	if err != nil {
		return nil, fmt.Errorf("read PersistentVolumeClaim %s: %w", name, err)
	}
	return claim, nil
}

// nameIsFree says what is in the way of a new PersistentVolumeClaim. The run's own, from before a crash, is not.
func nameIsFree(ctx context.Context, r client.Reader, run engines.Run, name string) error {
	claim := &corev1.PersistentVolumeClaim{}
	err := r.Get(ctx, client.ObjectKey{Namespace: run.Namespace(), Name: name}, claim)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read PersistentVolumeClaim %s: %w", name, err)
	case run.Owns(claim, kindClaim):
		return nil
	}
	return &engines.BlockedError{Reason: opsv1alpha1.ReasonNameConflict, Message: fmt.Sprintf(
		"PersistentVolumeClaim %s exists, and a new one of this name was asked for: it is not touched; delete it, or create an Operation with another spec.parameters.pvc", name)}
}

// refuseBlock: restic copies files, and there are none on a block volume.
func refuseBlock(claim *corev1.PersistentVolumeClaim) error {
	if mode := claim.Spec.VolumeMode; mode == nil || *mode == corev1.PersistentVolumeFilesystem {
		return nil
	}
	return engines.Invalid(field.Invalid(engines.ParametersPath().Child("pvc"), claim.Name, "is a block volume and restic copies files: use method: snapshot"))
}

// refuseInUse blocks a restore under the feet of pods. The run's own mover mounts the claim too, when a plan is made again after a crash.
func refuseInUse(ctx context.Context, r client.Reader, run engines.Run, claim string) error {
	pods := &corev1.PodList{}
	if err := r.List(ctx, pods, client.InNamespace(run.Namespace())); err != nil {
		return fmt.Errorf("list the pods that mount PersistentVolumeClaim %s: %w", claim, err)
	}
	var users []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		if !over(pod) && pod.Labels[opsv1alpha1.LabelOperation] != string(run.UID()) && mounts(pod, claim) {
			users = append(users, pod.Name)
		}
	}
	if len(users) == 0 {
		return nil
	}
	slices.Sort(users)
	named := strings.Join(users[:min(len(users), maxNamed)], ", ")
	if more := len(users) - maxNamed; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	return &engines.BlockedError{Reason: ReasonDestinationInUse, Message: fmt.Sprintf("PersistentVolumeClaim %s is mounted by pod(s) %s: stop them "+
		"(scale their workload to 0), or create an Operation with spec.parameters.allowInUse: true to change files under them", claim, named)}
}

// over tells whether a pod's containers have ended for good.
func over(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func mounts(pod *corev1.Pod, claim string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim
	})
}
