// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"context"
	"fmt"
	"strconv"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// task is a Backup or a Restore as Velero reports it: both have the same phases, and mean the same by them.
type task struct {
	client.Object
	kind  string
	words vocabulary
	// phase of a Restore is one of a Backup's, which has a few more.
	phase            velerov1.BackupPhase
	began            *metav1.Time
	queuePosition    int
	items            *items
	operations       int
	operationsDone   int
	errors           int
	warnings         int
	failureReason    string
	validationErrors []string
	// outputs that are known from the start.
	outputs map[string]string
}

// items that Velero counts while it works.
type items struct{ done, total int }

// find returns the run's own Backup or Restore, or nil: one of another run, or one that took the recorded one's place, is none.
func (e Engine) find(ctx context.Context, r client.Reader, run engines.Run) (*task, error) {
	key := client.ObjectKey{Namespace: e.namespace, Name: nameOf(run)}
	if kindOf(run) == kindRestore {
		restore := &velerov1.Restore{}
		if own, err := read(ctx, r, run, key, restore); err != nil || !own {
			return nil, err
		}
		return fromRestore(restore), nil
	}
	backup := &velerov1.Backup{}
	if own, err := read(ctx, r, run, key, backup); err != nil || !own {
		return nil, err
	}
	return fromBackup(backup), nil
}

// read tells whether the run's own object is there.
func read(ctx context.Context, r client.Reader, run engines.Run, key client.ObjectKey, obj client.Object) (bool, error) {
	err := r.Get(ctx, key, obj)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read %s %s: %w", kindOf(run), key, err)
	}
	return run.Owns(obj, kindOf(run)), nil
}

func fromBackup(b *velerov1.Backup) *task {
	s := &b.Status
	t := &task{
		Object: b, kind: kindBackup, words: backupWords, phase: s.Phase, began: s.StartTimestamp, queuePosition: s.QueuePosition,
		operations: s.BackupItemOperationsAttempted, operationsDone: s.BackupItemOperationsCompleted + s.BackupItemOperationsFailed,
		errors: s.Errors, warnings: s.Warnings, failureReason: s.FailureReason, validationErrors: s.ValidationErrors,
		outputs: map[string]string{"backupName": b.Name},
	}
	if s.Progress != nil {
		t.items = &items{done: s.Progress.ItemsBackedUp, total: s.Progress.TotalItems}
	}
	if b.Spec.StorageLocation != "" {
		t.outputs["storageLocation"] = b.Spec.StorageLocation
	}
	if s.Expiration != nil {
		t.outputs["expiration"] = s.Expiration.UTC().Format(time.RFC3339)
	}
	return t
}

func fromRestore(r *velerov1.Restore) *task {
	s := &r.Status
	t := &task{
		Object: r, kind: kindRestore, words: restoreWords, phase: velerov1.BackupPhase(s.Phase), began: s.StartTimestamp,
		operations: s.RestoreItemOperationsAttempted, operationsDone: s.RestoreItemOperationsCompleted + s.RestoreItemOperationsFailed,
		errors: s.Errors, warnings: s.Warnings, failureReason: s.FailureReason, validationErrors: s.ValidationErrors,
		outputs: map[string]string{"restoreName": r.Name, "backupName": r.Spec.BackupName},
	}
	if s.Progress != nil {
		t.items = &items{done: s.Progress.ItemsRestored, total: s.Progress.TotalItems}
	}
	return t
}

// counted are the outputs that are known at the end.
func (t *task) counted() {
	t.outputs["errors"], t.outputs["warnings"] = strconv.Itoa(t.errors), strconv.Itoa(t.warnings)
	if t.items != nil {
		t.outputs["itemCount"] = strconv.Itoa(t.items.done)
	}
}

// command of Velero's own command line that tells more of the task.
func (t *task) command(verb, flags string) string {
	noun := "backup"
	if t.kind == kindRestore {
		noun = "restore"
	}
	return "`" + command(t.GetNamespace(), noun+" "+verb+" "+t.GetName()+flags) + "`"
}
