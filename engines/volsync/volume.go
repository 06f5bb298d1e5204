// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// observeClaim says where a PersistentVolumeClaim stands that was made from a VolumeSnapshot.
func observeClaim(ctx context.Context, r client.Reader, run engines.Run, claim *corev1.PersistentVolumeClaim) (engines.Outcome, error) {
	o, err := judgeClaim(ctx, r, run, claim)
	o.Outputs = map[string]string{"pvc": claim.Name}
	if source := claim.Spec.DataSource; source != nil {
		o.Outputs["volumeSnapshotName"] = source.Name
	}
	if claim.Spec.VolumeName != "" {
		o.Outputs["volumeName"] = claim.Spec.VolumeName
	}
	return o, err
}

func judgeClaim(ctx context.Context, r client.Reader, run engines.Run, claim *corev1.PersistentVolumeClaim) (engines.Outcome, error) {
	switch {
	case claim.Status.Phase == corev1.ClaimBound:
		return engines.Succeeded(ReasonClaimBound, "PersistentVolumeClaim %s is bound to volume %s", claim.Name, claim.Spec.VolumeName), nil
	case claim.Status.Phase == corev1.ClaimLost:
		return engines.Failed(ReasonClaimLost, "the volume %s of PersistentVolumeClaim %s is gone", claim.Spec.VolumeName, claim.Name), nil
	case claim.DeletionTimestamp != nil:
		return engines.Running(ReasonDeleting, "PersistentVolumeClaim %s is being deleted", claim.Name), nil
	}
	class, err := classOf(ctx, r, claim)
	switch {
	case err != nil:
		return engines.Outcome{}, err
	case class != nil && class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer:
		return engines.Succeeded(ReasonClaimAwaitsConsumer, "PersistentVolumeClaim %s is made; it gets its volume, and the data, with the first pod that "+
			"mounts it, because StorageClass %s says WaitForFirstConsumer", claim.Name, class.Name), nil
	case cancelled(run):
		return engines.Failed(ReasonLeft, "PersistentVolumeClaim %s is not deleted and may still get its volume", claim.Name), nil
	case class == nil:
		return engines.Running(ReasonClaimPending, "PersistentVolumeClaim %s has no StorageClass that exists: make one the cluster's default, or create an "+
			"Operation with spec.parameters.storageClassName", claim.Name), nil
	}
	return engines.Running(ReasonClaimPending, "the volume of PersistentVolumeClaim %s is being made; if it stays so, see its events", claim.Name), nil
}

// classOf the claim; nil when it has none, or one that does not exist.
func classOf(ctx context.Context, r client.Reader, claim *corev1.PersistentVolumeClaim) (*storagev1.StorageClass, error) {
	name := claim.Spec.StorageClassName
	if name == nil || *name == "" {
		return nil, nil
	}
	class := &storagev1.StorageClass{}
	if err := r.Get(ctx, client.ObjectKey{Name: *name}, class); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("read StorageClass %s: %w", *name, err)
	}
	return class, nil
}
