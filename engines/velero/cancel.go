// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"context"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// Cancel deletes what Velero has not begun, and leaves alone what it has: Velero stops nothing, and works on without the object, so that
// data would be left in the bucket which no Backup knows of and nothing expires.
func (e Engine) Cancel(ctx context.Context, r client.Reader, run engines.Run) (engines.Cancellation, error) {
	if err := engines.Supports(e, run.Operation.Spec.Type); err != nil {
		return engines.Cancellation{}, err
	}
	t, err := e.find(ctx, r, run)
	if err != nil {
		return engines.Cancellation{}, err
	}
	switch {
	case t == nil || t.ended(false) != nil:
		return engines.Cancellation{Message: fmt.Sprintf("%s %s does not run; there is nothing to stop", kindOf(run), nameOf(run))}, nil
	case t.GetDeletionTimestamp() != nil:
		return engines.Cancellation{Message: fmt.Sprintf("%s %s is being deleted already", t.kind, t.GetName())}, nil
	case t.waits():
		return engines.Cancellation{
			Delete:  []client.Object{t.asRead()},
			Message: fmt.Sprintf("%s %s has not begun and is deleted; nothing was done", t.kind, t.GetName()),
		}, nil
	}
	return engines.Cancellation{Message: fmt.Sprintf("Velero cannot stop a %s that it has taken up: %s goes on until it ends, and is kept; %s",
		t.kind, t.GetName(), t.undo())}, nil
}

// waits tells whether the task can be deleted before Velero takes it up. ReadyToStart is too late: Velero holds one of its places for such a
// Backup, gives it back only when the Backup has run, and would start no other any more.
func (t *task) waits() bool {
	return t.phase == "" || t.phase == velerov1.BackupPhaseNew || t.phase == velerov1.BackupPhaseQueued
}

// asRead names the object in the very version that was judged: a moment later Velero may have begun.
func (t *task) asRead() client.Object {
	object := metav1.ObjectMeta{Name: t.GetName(), Namespace: t.GetNamespace(), UID: t.GetUID(), ResourceVersion: t.GetResourceVersion()}
	if t.kind == kindRestore {
		return &velerov1.Restore{TypeMeta: typeOf(t.kind), ObjectMeta: object}
	}
	return &velerov1.Backup{TypeMeta: typeOf(t.kind), ObjectMeta: object}
}

// undo says what a person can do about it afterwards.
func (t *task) undo() string {
	if t.kind == kindRestore {
		return "what it restores is not taken back"
	}
	return "when it has ended, remove it with " + t.command("delete", "")
}
