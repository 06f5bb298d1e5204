// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"context"
	"strconv"

	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// keepAll is restic's word for a rule that forgets nothing. VolSync forgets after each backup, and without a rule all but the newest one.
const keepAll = "unlimited"

// planBackup makes a ReplicationSource or a VolumeSnapshot.
func planBackup(ctx context.Context, r client.Reader, run engines.Run) ([]engines.Change, error) {
	p, err := decodeBackup(run.Operation)
	if err != nil {
		return nil, err
	}
	claim, err := claimNamed(ctx, r, run, p.PVC, ReasonSourceNotFound)
	if err != nil {
		return nil, err
	}
	if p.Method == methodSnapshot || p.copyMethod() == volsyncv1alpha1.CopyMethodSnapshot {
		if err := snapshotsServed(ctx, r, run, p.VolumeSnapshotClassName); err != nil {
			return nil, err
		}
	}
	if p.Method == methodSnapshot {
		return []engines.Change{engines.Create(buildSnapshot(run, p))}, nil
	}
	if err := refuseBlock(claim); err != nil {
		return nil, err
	}
	return []engines.Change{engines.Create(buildSource(run, p))}, nil
}

// buildSnapshot makes the artefact: nothing owns it, so it outlives the Operation.
func buildSnapshot(run engines.Run, p *BackupParameters) *snapshotv1.VolumeSnapshot {
	return &snapshotv1.VolumeSnapshot{
		TypeMeta:   metav1.TypeMeta{APIVersion: snapshotv1.SchemeGroupVersion.String(), Kind: kindSnapshot},
		ObjectMeta: metav1.ObjectMeta{Name: run.Name(), Namespace: run.Namespace(), Labels: run.Labels()},
		Spec: snapshotv1.VolumeSnapshotSpec{
			Source:                  snapshotv1.VolumeSnapshotSource{PersistentVolumeClaimName: &p.PVC},
			VolumeSnapshotClassName: optional(p.VolumeSnapshotClassName),
		},
	}
}

// buildSource makes the runner. It always has a trigger: without one VolSync synchronizes without end.
func buildSource(run engines.Run, p *BackupParameters) *volsyncv1alpha1.ReplicationSource {
	trigger := &volsyncv1alpha1.ReplicationSourceTriggerSpec{Manual: tag(run)}
	if p.Schedule != "" {
		trigger = &volsyncv1alpha1.ReplicationSourceTriggerSpec{Schedule: &p.Schedule}
	}
	restic := &volsyncv1alpha1.ReplicationSourceResticSpec{
		ReplicationSourceVolumeOptions: volsyncv1alpha1.ReplicationSourceVolumeOptions{
			CopyMethod:              p.copyMethod(),
			StorageClassName:        optional(p.StorageClassName),
			AccessModes:             modes(p.AccessModes),
			VolumeSnapshotClassName: optional(p.VolumeSnapshotClassName),
		},
		Repository:        p.Repository.SecretName,
		Retain:            p.Retain.policy(),
		PruneIntervalDays: p.PruneIntervalDays,
		CacheCapacity:     quantity(p.CacheCapacity),
		MoverConfig:       moverConfig(run, p.MoverServiceAccount, p.MoverSecurityContext),
	}
	if p.AccessModes != nil {
		// Else the cache gets the modes of the copy, and a cache that can only be read is none.
		restic.CacheAccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	return &volsyncv1alpha1.ReplicationSource{
		TypeMeta: metav1.TypeMeta{APIVersion: volsyncv1alpha1.GroupVersion.String(), Kind: kindSource},
		ObjectMeta: metav1.ObjectMeta{
			Name: run.Name(), Namespace: run.Namespace(), Labels: run.RunnerLabels(),
			OwnerReferences: []metav1.OwnerReference{run.OwnerReference()},
		},
		Spec: volsyncv1alpha1.ReplicationSourceSpec{SourcePVC: p.PVC, Trigger: trigger, Restic: restic},
	}
}

// tag of the run's manual trigger, which VolSync repeats in status.lastManualSync when that sync is done.
func tag(run engines.Run) string { return string(run.UID()) }

// copyMethod with its default.
func (p *BackupParameters) copyMethod() volsyncv1alpha1.CopyMethodType {
	if p.Method == methodSnapshot {
		return ""
	}
	if p.CopyMethod == "" {
		return volsyncv1alpha1.CopyMethodSnapshot
	}
	return volsyncv1alpha1.CopyMethodType(p.CopyMethod)
}

// policy that VolSync hands to restic.
func (r *Retain) policy() *volsyncv1alpha1.ResticRetainPolicy {
	if r == nil {
		return &volsyncv1alpha1.ResticRetainPolicy{Last: ptr.To(keepAll)}
	}
	policy := &volsyncv1alpha1.ResticRetainPolicy{
		Hourly: r.Hourly, Daily: r.Daily, Weekly: r.Weekly, Monthly: r.Monthly, Yearly: r.Yearly, Within: optional(r.Within),
	}
	if r.Last != nil {
		policy.Last = ptr.To(strconv.Itoa(int(*r.Last)))
	}
	return policy
}

// moverConfig labels the mover's pods as the run's, so that they are found.
func moverConfig(run engines.Run, account string, user *MoverSecurityContext) volsyncv1alpha1.MoverConfig {
	config := volsyncv1alpha1.MoverConfig{MoverServiceAccount: optional(account), MoverPodLabels: run.RunnerLabels()}
	if user != nil {
		config.MoverSecurityContext = &corev1.PodSecurityContext{
			RunAsNonRoot:   ptr.To(true),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			RunAsUser:      user.RunAsUser,
			RunAsGroup:     user.RunAsGroup,
			FSGroup:        user.FSGroup,
		}
	}
	return config
}

// optional is nil for what was left out.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// quantity of a size that was checked, nil for one that was left out.
func quantity(size string) *resource.Quantity {
	if size == "" {
		return nil
	}
	return ptr.To(resource.MustParse(size))
}

func modes(names []string) []corev1.PersistentVolumeAccessMode {
	var all []corev1.PersistentVolumeAccessMode
	for _, name := range names {
		all = append(all, corev1.PersistentVolumeAccessMode(name))
	}
	return all
}
