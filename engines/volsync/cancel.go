// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"cmp"
	"context"
	"fmt"

	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Cancel deletes the replication with its mover. What restic saved before stays in the repository. A VolumeSnapshot or a PersistentVolumeClaim is
// left alone: nobody may find a copy gone because its Operation ended. A cluster that does not serve VolSync's kinds has no replication to stop.
func (e Engine) Cancel(ctx context.Context, r client.Reader, run engines.Run) (engines.Cancellation, error) {
	if what := leftAlone(run); what != "" {
		return engines.Cancellation{Message: what + " is not deleted and may still be completed; delete it if it is not wanted"}, nil
	}
	kind := kindSource
	if run.Operation.Spec.Type == opsv1alpha1.TypeRestore {
		kind = kindDestination
	}
	rep, err := readReplication(ctx, r, run, &opsv1alpha1.ResourceRef{Kind: kind, Namespace: run.Namespace(), Name: run.Name()})
	if err != nil && !meta.IsNoMatchError(err) {
		return engines.Cancellation{}, err
	}
	if rep == nil || (rep.synced(run) && !rep.recurring()) {
		return engines.Cancellation{Message: fmt.Sprintf("%s %s does not run; there is nothing to stop", kind, run.Name())}, nil
	}
	return engines.Cancellation{Delete: []client.Object{rep.doomed()}, Message: rep.undone()}, nil
}

// leftAlone names the run's only object when that is what it was asked for; it is empty when something is at work for the run.
func leftAlone(run engines.Run) string {
	if !run.Applied() {
		return mayBeLeft(run)
	}
	for _, kind := range []string{kindSource, kindDestination} {
		if recorded(run, kind) != nil {
			return ""
		}
	}
	for _, kind := range []string{kindSnapshot, kindClaim} {
		if ref := recorded(run, kind); ref != nil {
			return kind + " " + ref.Name
		}
	}
	return ""
}

// mayBeLeft names what a run may have made before the agent could record it.
func mayBeLeft(run engines.Run) string {
	p := glanceAt(run.Operation)
	switch {
	case p.Method != methodSnapshot:
		return ""
	case run.Operation.Spec.Type == opsv1alpha1.TypeRestore:
		return fmt.Sprintf("%s %s, if the run has made it,", kindClaim, cmp.Or(p.PVC, run.Name()))
	default:
		return fmt.Sprintf("%s %s, if the run has made it,", kindSnapshot, run.Name())
	}
}

// doomed is what to delete: this very object.
func (rep *replication) doomed() client.Object {
	objectMeta := metav1.ObjectMeta{Name: rep.object.GetName(), Namespace: rep.object.GetNamespace(), UID: rep.object.GetUID()}
	typed := metav1.TypeMeta{APIVersion: volsyncv1alpha1.GroupVersion.String(), Kind: rep.kind}
	if rep.kind == kindSource {
		return &volsyncv1alpha1.ReplicationSource{TypeMeta: typed, ObjectMeta: objectMeta}
	}
	return &volsyncv1alpha1.ReplicationDestination{TypeMeta: typed, ObjectMeta: objectMeta}
}

func (rep *replication) undone() string {
	what := fmt.Sprintf("%s %s and its mover are deleted", rep.kind, rep.object.GetName())
	if rep.kind == kindSource {
		return what + "; backups that were complete by then stay in the repository"
	}
	return what + fmt.Sprintf("; what was written to PersistentVolumeClaim %s until then is not undone: it may be half restored", rep.claim)
}
