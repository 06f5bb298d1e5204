// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// veleroRig: Velero with its AWS plugin and an S3 server in memory. A Backup takes as long as the S3 server does not answer.
var veleroRig = rig{
	engine:   opsv1alpha1.EngineVelero,
	succeeds: func(t testing.TB) *opsv1alpha1.Operation { return backup(t, nil) },
	fails: func(t testing.TB) *opsv1alpha1.Operation {
		return backup(t, map[string]any{"volumeSnapshotLocations": []string{"missing"}})
	},
	failReason: "VeleroBackupValidationFailed",
	begun:      "VeleroBackupInProgress",
	hangs: func(t testing.TB) *opsv1alpha1.Operation {
		op := backup(t, nil)
		holdS3(t)
		return op
	},
	slow: func(t testing.TB) (*opsv1alpha1.Operation, func()) {
		op := backup(t, nil)
		return op, holdS3(t)
	},
	controller:   "velero",
	afterRestart: opsv1alpha1.PhaseFailed, // Velero does not resume: it calls what it finds in progress Failed
	group:        "velero.io",
	keeps:        []string{"BackupStorageLocation"},
}

func backup(t testing.TB, parameters map[string]any) *opsv1alpha1.Operation {
	t.Helper()
	if parameters == nil {
		parameters = map[string]any{}
	}
	return operation(t, placeholder(t, opsv1alpha1.EngineVelero), opsv1alpha1.TypeBackup, opsv1alpha1.EngineVelero, parameters)
}

// holdS3 makes the S3 server stop answering, until release is called or the test is over.
func holdS3(t testing.TB) (release func()) {
	t.Helper()
	send := func(sig syscall.Signal) {
		if err := fleet.Process("s3").Signal(sig); err != nil {
			t.Error(err)
		}
	}
	// What an earlier test has left behind would be held, too, and the Backups of its namespace behind it.
	eventually(t, "Velero to have nothing to do", func(ctx context.Context) (bool, string) {
		var all velerov1.BackupList
		err := k8s.List(ctx, &all)
		busy := slices.DeleteFunc(all.Items, func(b velerov1.Backup) bool {
			return !slices.Contains([]velerov1.BackupPhase{velerov1.BackupPhaseQueued, velerov1.BackupPhaseReadyToStart, velerov1.BackupPhaseInProgress}, b.Status.Phase)
		})
		return err == nil && len(busy) == 0, fmt.Sprintf("%d Backups have not ended, %v", len(busy), err)
	})
	send(syscall.SIGSTOP)
	t.Cleanup(func() { send(syscall.SIGCONT) })
	return func() { send(syscall.SIGCONT) }
}

// TestVeleroForgets: a Velero that comes up does not look at a Backup that it was about to start when it went. It is reminded, also when the Operation
// is cancelled meanwhile, and the Backups behind it have their turn.
func TestVeleroForgets(t *testing.T) {
	process := controller(t, veleroRig)
	stop(t, process)
	forgotten, cancelled := create(t, backup(t, nil)), create(t, backup(t, nil))
	for _, op := range []*opsv1alpha1.Operation{forgotten, cancelled} {
		reaches(t, op, opsv1alpha1.PhaseRunning, "VeleroBackupQueued")
		var b velerov1.Backup
		ref := op.Status.Resources[0]
		if err := k8s.Get(t.Context(), client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, &b); err != nil {
			t.Fatal(err)
		}
		b.Status.Phase = velerov1.BackupPhaseReadyToStart // Velero's last word before it was killed
		if err := k8s.Update(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	restart(t, process)
	behind := create(t, backup(t, nil))
	base := cancelled.DeepCopy()
	cancelled.Spec.Cancel = true
	if err := k8s.Patch(t.Context(), cancelled, client.MergeFrom(base)); err != nil {
		t.Fatal(err)
	}
	reaches(t, forgotten, opsv1alpha1.PhaseSucceeded, "VeleroBackupCompleted")
	reaches(t, cancelled, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
	reaches(t, behind, opsv1alpha1.PhaseSucceeded, "VeleroBackupCompleted")
	for _, op := range []*opsv1alpha1.Operation{forgotten, behind} {
		onlyOnce(t, op)
	}
}

// TestVeleroRestore: what was deleted after a Backup is back after its Restore, and the release is suspended in between only.
func TestVeleroRestore(t *testing.T) {
	instance := release(t, opsv1alpha1.EngineVelero, nil)
	saved := create(t, operation(t, instance, opsv1alpha1.TypeBackup, opsv1alpha1.EngineVelero, map[string]any{}))
	reaches(t, saved, opsv1alpha1.PhaseSucceeded, "VeleroBackupCompleted")

	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: instance + "-settings"}}
	if err := k8s.Delete(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	goOn := holdS3(t)
	restore := create(t, operation(t, instance, opsv1alpha1.TypeRestore, opsv1alpha1.EngineVelero, map[string]any{
		"backupName":    output(t, saved, "backupName"),
		"labelSelector": map[string]any{"matchLabels": map[string]any{"helm.toolkit.fluxcd.io/name": instance}},
	}))
	atWork(t, restore, "")
	hr := &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: instance}}
	if err := k8s.Get(t.Context(), keyOf(hr), hr); err != nil || !hr.Spec.Suspend {
		t.Errorf("the release is not suspended while it is being restored: %v", err)
	}
	goOn()
	reaches(t, restore, opsv1alpha1.PhaseSucceeded, "")
	if err := k8s.Get(t.Context(), keyOf(settings), settings); err != nil || settings.Data["version"] != "1.0.0" {
		t.Errorf("the ConfigMap is not back: %v", err)
	}
	eventually(t, "the release to be resumed", func(ctx context.Context) (bool, string) {
		err := k8s.Get(ctx, keyOf(hr), hr)
		return err == nil && !hr.Spec.Suspend, fmt.Sprint(err)
	})
	t.Logf("%s: %s; preparations %+v", restore.Status.Reason, restore.Status.Message, restore.Status.Preparations)
}
