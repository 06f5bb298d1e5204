// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

func TestGolden(t *testing.T) { enginetest.Golden(t, New("").At(recorded), "testdata") }

// recorded is when the golden cases were.
func recorded() time.Time { return time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) }

// TestGoldenElsewhere: Velero in a namespace of another name.
func TestGoldenElsewhere(t *testing.T) {
	enginetest.Golden(t, New("backup-system").At(recorded), "testdata/elsewhere")
}

// ends are all phases of v1.18, and how a run in each of them stands.
var ends = map[velerov1.BackupPhase]engines.State{
	velerov1.BackupPhaseNew:                                       engines.StateRunning,
	velerov1.BackupPhaseQueued:                                    engines.StateRunning,
	velerov1.BackupPhaseReadyToStart:                              engines.StateRunning,
	velerov1.BackupPhaseInProgress:                                engines.StateRunning,
	velerov1.BackupPhaseWaitingForPluginOperations:                engines.StateRunning,
	velerov1.BackupPhaseWaitingForPluginOperationsPartiallyFailed: engines.StateRunning,
	velerov1.BackupPhaseFinalizing:                                engines.StateRunning,
	velerov1.BackupPhaseFinalizingPartiallyFailed:                 engines.StateRunning,
	velerov1.BackupPhaseCompleted:                                 engines.StateSucceeded,
	velerov1.BackupPhasePartiallyFailed:                           engines.StateFailed,
	velerov1.BackupPhaseFailed:                                    engines.StateFailed,
	velerov1.BackupPhaseFailedValidation:                          engines.StateFailed,
	velerov1.BackupPhaseDeleting:                                  engines.StateFailed,
}

// TestEveryPhase fails when Velero's API gains a phase.
func TestEveryPhase(t *testing.T) {
	const api = "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	for _, typeName := range []string{"BackupPhase", "RestorePhase"} {
		for _, phase := range enginetest.Phases(t, api, typeName) {
			t.Run(typeName+phase, func(t *testing.T) {
				checkPhase(t, ofPhase(typeName, phase))
			})
		}
	}
}

func ofPhase(typeName, phase string) *task {
	if typeName == "RestorePhase" {
		return fromRestore(&velerov1.Restore{Status: velerov1.RestoreStatus{Phase: velerov1.RestorePhase(phase)}})
	}
	return fromBackup(&velerov1.Backup{Status: velerov1.BackupStatus{Phase: velerov1.BackupPhase(phase)}})
}

func checkPhase(t *testing.T, task *task) {
	want, known := ends[task.phase]
	if !known {
		t.Fatalf("phase %q is new: say what it means in judge.go, and here", task.phase)
	}
	o := task.judge(false)
	if o.State != want || o.Reason == ReasonUnknownPhase {
		t.Errorf("got %s (%s), want %s", o.State, o.Reason, want)
	}
	queued := task.phase == velerov1.BackupPhaseNew || task.phase == velerov1.BackupPhaseQueued || task.phase == velerov1.BackupPhaseReadyToStart
	if o.Untimed != queued {
		t.Errorf("untimed = %v, want %v: only what waits its turn is", o.Untimed, queued)
	}
	if task.waits() && o.State != engines.StateRunning {
		t.Error("a task that has ended could be deleted by a cancel")
	}
	accepted := task.judge(true)
	if task.phase == velerov1.BackupPhasePartiallyFailed {
		want = engines.StateSucceeded
	}
	if accepted.State != want {
		t.Errorf("with partial failures accepted: got %s, want %s", accepted.State, want)
	}
}

// TestCompletionTimeDecidesNothing: Velero writes it before the end of some runs, and not at all at the end of others.
func TestCompletionTimeDecidesNothing(t *testing.T) {
	now := metav1.NewTime(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	b := &velerov1.Backup{Status: velerov1.BackupStatus{Phase: velerov1.BackupPhaseFinalizing, CompletionTimestamp: &now}}
	if o := fromBackup(b).judge(false); o.State != engines.StateRunning {
		t.Errorf("a Backup that is being finalized is %s", o.State)
	}
	b.Status = velerov1.BackupStatus{Phase: velerov1.BackupPhasePartiallyFailed}
	if o := fromBackup(b).judge(false); o.State != engines.StateFailed {
		t.Errorf("a Backup that failed in part, without a completion time, is %s", o.State)
	}
}

// TestCancelHoldsOnToWhatItRead: the version goes along with a deletion, because Velero may begin a moment later.
func TestCancelHoldsOnToWhatItRead(t *testing.T) {
	b := &velerov1.Backup{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "velero", UID: "u", ResourceVersion: "7"},
		Status:     velerov1.BackupStatus{Phase: velerov1.BackupPhaseQueued},
	}
	if got := fromBackup(b).asRead(); got.GetUID() != "u" || got.GetResourceVersion() != "7" {
		t.Errorf("deletes UID %q at version %q, want u at 7", got.GetUID(), got.GetResourceVersion())
	}
}

// noSnapshots is a cluster without the CRDs of CSI snapshots.
type noSnapshots struct{ client.Reader }

func (noSnapshots) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "snapshot.storage.k8s.io", Kind: "VolumeSnapshotClass"}}
}

func TestClusterWithoutSnapshotsBlocks(t *testing.T) {
	_, err := snapshotClass(t.Context(), noSnapshots{}, &BackupParameters{SnapshotClassName: "fast"})
	var blocked *engines.BlockedError
	if !errors.As(err, &blocked) || blocked.Reason != ReasonSnapshotClassMissing || !strings.Contains(blocked.Message, "CRDs") {
		t.Errorf("got %v, want to be blocked for %s", err, ReasonSnapshotClassMissing)
	}
}
