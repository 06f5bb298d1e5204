// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// volsyncRig: VolSync with restic, whose mover is a Job. It mounts the claim itself (copyMethod Direct), whose name decides how that goes.
var volsyncRig = rig{
	engine:   opsv1alpha1.EngineVolsync,
	succeeds: func(t testing.TB) *opsv1alpha1.Operation { return copyOf(t, claim(t, "")) },
	// VolSync tries again for ever: only a bound ends that.
	fails: func(t testing.TB) *opsv1alpha1.Operation {
		op := copyOf(t, claim(t, testbed.ClaimBroken))
		op.Spec.Timeout = &metav1.Duration{Duration: 5 * time.Second}
		return op
	},
	failReason: opsv1alpha1.ReasonTimeout,
	begun:      "VolSyncSynchronizing",
	hangs:      func(t testing.TB) *opsv1alpha1.Operation { return copyOf(t, claim(t, testbed.ClaimStuck)) },
	slow: func(t testing.TB) (*opsv1alpha1.Operation, func()) {
		return copyOf(t, claim(t, testbed.ClaimSlow)), func() {}
	},
	controller:   "volsync",
	afterRestart: opsv1alpha1.PhaseSucceeded,
	group:        "volsync.backube",
	stops:        true,
}

// copyOf a claim, as it is, into a repository.
func copyOf(t testing.TB, pvc string) *opsv1alpha1.Operation {
	t.Helper()
	return volume(t, opsv1alpha1.TypeBackup, map[string]any{"pvc": pvc, "repository": repository(t), "copyMethod": "Direct"})
}

// volume is an Operation on one.
func volume(t testing.TB, typ opsv1alpha1.OperationType, parameters map[string]any) *opsv1alpha1.Operation {
	t.Helper()
	return operation(t, placeholder(t, opsv1alpha1.EngineVolsync), typ, opsv1alpha1.EngineVolsync, parameters)
}

// claim makes a volume. A prefix says how movers go that mount it.
func claim(t testing.TB, prefix string) string {
	t.Helper()
	return create(t, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: prefix + unique(t)},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}).Name
}

// repository makes the Secret of one. Simulated movers do not connect to it.
func repository(t testing.TB) map[string]any {
	t.Helper()
	secret := create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: unique(t)},
		StringData: map[string]string{"RESTIC_REPOSITORY": "s3:https://s3.example.com/backups", "RESTIC_PASSWORD": "x"},
	})
	return map[string]any{"secretName": secret.Name}
}

// TestVolSyncRestic: files go into a repository, from a snapshot of the volume, and come back into the same volume and into a new one.
func TestVolSyncRestic(t *testing.T) {
	pvc, in := claim(t, ""), repository(t)
	saved := create(t, volume(t, opsv1alpha1.TypeBackup, map[string]any{"pvc": pvc, "repository": in}))
	reaches(t, saved, opsv1alpha1.PhaseSucceeded, "VolSyncBackupCompleted")

	same := create(t, volume(t, opsv1alpha1.TypeRestore, map[string]any{"pvc": pvc, "repository": in}))
	reaches(t, same, opsv1alpha1.PhaseSucceeded, "VolSyncRestoreCompleted")

	other := create(t, volume(t, opsv1alpha1.TypeRestore, map[string]any{"repository": in, "capacity": "1Gi"}))
	reaches(t, other, opsv1alpha1.PhaseSucceeded, "VolSyncRestoreCompleted")
	outlives(t, other, "PersistentVolumeClaim", output(t, other, "pvc"))
}

// TestVolSyncSnapshot: a VolumeSnapshot becomes a new volume. Both are still there when their Operations are gone.
func TestVolSyncSnapshot(t *testing.T) {
	saved := create(t, volume(t, opsv1alpha1.TypeBackup, map[string]any{"pvc": claim(t, ""), "method": "snapshot"}))
	reaches(t, saved, opsv1alpha1.PhaseSucceeded, "VolumeSnapshotReadyToUse")

	snapshot := output(t, saved, "volumeSnapshotName")
	back := create(t, volume(t, opsv1alpha1.TypeRestore, map[string]any{"method": "snapshot", "volumeSnapshotName": snapshot}))
	reaches(t, back, opsv1alpha1.PhaseSucceeded, "PersistentVolumeClaimBound")
	outlives(t, saved, "VolumeSnapshot", snapshot)
	outlives(t, back, "PersistentVolumeClaim", output(t, back, "pvc"))
}

// TestVolSyncSchedule: a recurring backup tells of its first sync and goes on until it is cancelled.
func TestVolSyncSchedule(t *testing.T) {
	yearly := map[string]any{"pvc": claim(t, ""), "repository": repository(t), "copyMethod": "Direct", "schedule": "@yearly"}
	op := create(t, volume(t, opsv1alpha1.TypeBackup, yearly))
	reaches(t, op, opsv1alpha1.PhaseRunning, "VolSyncReplicating")
	t.Logf("last sync %s, next %s", output(t, op, "lastSyncTime"), output(t, op, "nextSyncTime"))

	base := op.DeepCopy()
	op.Spec.Cancel = true
	if err := k8s.Patch(t.Context(), op, client.MergeFrom(base)); err != nil {
		t.Fatal(err)
	}
	reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
	source := objectOf(op.Status.Resources[0])
	if err := k8s.Get(t.Context(), keyOf(source), source); !apierrors.IsNotFound(err) {
		t.Errorf("the ReplicationSource is still there: %v", err)
	}
}

// outlives deletes a run and holds that what it made stays; then that is deleted, too.
func outlives(t testing.TB, op *opsv1alpha1.Operation, kind, name string) {
	t.Helper()
	if err := k8s.Delete(t.Context(), op, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Operation "+op.Name+" to be gone", func(ctx context.Context) (bool, string) {
		err := k8s.Get(ctx, keyOf(op), op.DeepCopy())
		return apierrors.IsNotFound(err), "it is there"
	})
	for _, ref := range op.Status.Resources {
		if ref.Kind != kind || ref.Name != name {
			continue
		}
		made := objectOf(ref)
		if err := k8s.Get(t.Context(), keyOf(made), made); err != nil || made.GetUID() != ref.UID || made.GetDeletionTimestamp() != nil {
			t.Errorf("%s %s went with its Operation: %v", kind, name, err)
		}
		t.Cleanup(func() {
			if err := client.IgnoreNotFound(k8s.Delete(context.Background(), made)); err != nil {
				t.Errorf("delete %s %s: %v", kind, name, err)
			}
		})
		return
	}
	t.Errorf("%s %s is not among what the run made: %+v", kind, name, op.Status.Resources)
}
