// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"context"
	"fmt"

	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Cancel deletes the replication with its mover. What restic saved before stays in the repository. A VolumeSnapshot or a PersistentVolumeClaim is
// left alone: nobody may find a copy gone because its Operation ended.
func (e Engine) Cancel(ctx context.Context, r client.Reader, run engines.Run) (engines.Cancellation, error) {
	if ref := leftAlone(run); ref != nil {
		return engines.Cancellation{Message: fmt.Sprintf("%s %s is not deleted and may still be completed; delete it if it is not wanted", ref.Kind, ref.Name)}, nil
	}
	kind := kindSource
	if run.Operation.Spec.Type == opsv1alpha1.TypeRestore {
		kind = kindDestination
	}
	rep, err := readReplication(ctx, r, run, &opsv1alpha1.ResourceRef{Kind: kind, Namespace: run.Namespace(), Name: run.Name()})
	if err != nil {
		return engines.Cancellation{}, err
	}
	if rep == nil || (rep.synced(run) && !rep.recurring()) {
		return engines.Cancellation{Message: fmt.Sprintf("%s %s does not run; there is nothing to stop", kind, run.Name())}, nil
	}
	return engines.Cancellation{Delete: []client.Object{rep.doomed()}, Message: rep.undone()}, nil
}

// leftAlone is the run's only object when that is what it was asked for; nil when something is at work for the run.
func leftAlone(run engines.Run) *opsv1alpha1.ResourceRef {
	if ref := recorded(run, kindSnapshot); ref != nil || recorded(run, kindDestination) != nil {
		return ref
	}
	return recorded(run, kindClaim)
}

// doomed is what to delete: this very object.
func (rep *replication) doomed() client.Object {
	meta := metav1.ObjectMeta{Name: rep.object.GetName(), Namespace: rep.object.GetNamespace(), UID: rep.object.GetUID()}
	typed := metav1.TypeMeta{APIVersion: volsyncv1alpha1.GroupVersion.String(), Kind: rep.kind}
	if rep.kind == kindSource {
		return &volsyncv1alpha1.ReplicationSource{TypeMeta: typed, ObjectMeta: meta}
	}
	return &volsyncv1alpha1.ReplicationDestination{TypeMeta: typed, ObjectMeta: meta}
}

func (rep *replication) undone() string {
	what := fmt.Sprintf("%s %s and its mover are deleted", rep.kind, rep.object.GetName())
	if rep.kind == kindSource {
		return what + "; backups that were complete by then stay in the repository"
	}
	return what + fmt.Sprintf("; what was written to PersistentVolumeClaim %s until then is not undone: it may be half restored", rep.claim)
}
