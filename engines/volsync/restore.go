// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"cmp"
	"context"

	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// planRestore makes a ReplicationDestination, a PersistentVolumeClaim or both.
func planRestore(ctx context.Context, r client.Reader, run engines.Run) ([]engines.Change, error) {
	p, err := decodeRestore(run.Operation)
	if err != nil {
		return nil, err
	}
	if p.Method == methodSnapshot {
		return planFromSnapshot(ctx, r, run, p)
	}
	if p.copyMethod() == volsyncv1alpha1.CopyMethodSnapshot {
		if err := snapshotsServed(ctx, r, run, p.VolumeSnapshotClassName); err != nil {
			return nil, err
		}
	}
	destination := engines.Create(buildDestination(run, p))
	if p.makesClaim() {
		if err := nameIsFree(ctx, r, run, p.claimName(run)); err != nil {
			return nil, err
		}
		return []engines.Change{engines.Create(buildClaim(run, p, resource.MustParse(p.Capacity), nil)), destination}, nil
	}
	claim, err := claimNamed(ctx, r, run, p.PVC, ReasonDestinationNotFound)
	if err != nil {
		return nil, err
	}
	if err := refuseBlock(claim); err != nil {
		return nil, err
	}
	if !p.AllowInUse {
		if err := refuseInUse(ctx, r, run, p.PVC); err != nil {
			return nil, err
		}
	}
	return []engines.Change{destination}, nil
}

func planFromSnapshot(ctx context.Context, r client.Reader, run engines.Run, p *RestoreParameters) ([]engines.Change, error) {
	needs, err := sizeOfSnapshot(ctx, r, run, p)
	if err != nil {
		return nil, err
	}
	if err := nameIsFree(ctx, r, run, p.claimName(run)); err != nil {
		return nil, err
	}
	source := &corev1.TypedLocalObjectReference{APIGroup: ptr.To(snapshotv1.GroupName), Kind: kindSnapshot, Name: p.VolumeSnapshotName}
	return []engines.Change{engines.Create(buildClaim(run, p, needs, source))}, nil
}

// buildClaim makes an artefact: nothing owns it, so it outlives the Operation.
func buildClaim(run engines.Run, p *RestoreParameters, size resource.Quantity, source *corev1.TypedLocalObjectReference) *corev1.PersistentVolumeClaim {
	access := modes(p.AccessModes)
	if access == nil {
		access = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	return &corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: kindClaim},
		ObjectMeta: metav1.ObjectMeta{Name: p.claimName(run), Namespace: run.Namespace(), Labels: run.Labels()},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      access,
			StorageClassName: optional(p.StorageClassName),
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
			DataSource:       source,
		},
	}
}

// buildDestination makes an artefact too, because with copyMethod Snapshot what it owns is one. Its cache is not worth keeping. Velero leaves it out of
// Backups all the same: one that came back has no status, and VolSync would restore the old data once more.
func buildDestination(run engines.Run, p *RestoreParameters) *volsyncv1alpha1.ReplicationDestination {
	claim := p.claimName(run)
	return &volsyncv1alpha1.ReplicationDestination{
		TypeMeta:   metav1.TypeMeta{APIVersion: volsyncv1alpha1.GroupVersion.String(), Kind: kindDestination},
		ObjectMeta: metav1.ObjectMeta{Name: run.Name(), Namespace: run.Namespace(), Labels: run.RunnerLabels()},
		Spec: volsyncv1alpha1.ReplicationDestinationSpec{
			Trigger: &volsyncv1alpha1.ReplicationDestinationTriggerSpec{Manual: tag(run)},
			Restic: &volsyncv1alpha1.ReplicationDestinationResticSpec{
				ReplicationDestinationVolumeOptions: volsyncv1alpha1.ReplicationDestinationVolumeOptions{
					CopyMethod:              p.copyMethod(),
					DestinationPVC:          &claim,
					VolumeSnapshotClassName: optional(p.VolumeSnapshotClassName),
				},
				Repository:            p.Repository.SecretName,
				CacheCapacity:         quantity(p.CacheCapacity),
				CacheStorageClassName: optional(p.StorageClassName),
				CleanupCachePVC:       true,
				Previous:              p.Previous,
				RestoreAsOf:           optional(p.RestoreAsOf),
				EnableFileDeletion:    p.EnableFileDeletion,
				MoverConfig:           moverConfig(run, p.MoverServiceAccount, p.MoverSecurityContext),
			},
		},
	}
}

// claimName is the PersistentVolumeClaim that is restored.
func (p *RestoreParameters) claimName(run engines.Run) string { return cmp.Or(p.PVC, run.Name()) }

// copyMethod with its default.
func (p *RestoreParameters) copyMethod() volsyncv1alpha1.CopyMethodType {
	return cmp.Or(volsyncv1alpha1.CopyMethodType(p.CopyMethod), volsyncv1alpha1.CopyMethodDirect)
}
