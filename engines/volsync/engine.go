// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"context"
	"fmt"
	"time"

	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Kinds that a run makes.
const (
	kindSource      = "ReplicationSource"
	kindDestination = "ReplicationDestination"
	kindSnapshot    = "VolumeSnapshot"
	kindClaim       = "PersistentVolumeClaim"
)

// Engine copies volumes.
type Engine struct {
	// now tells the time: an error that is repeated for ever is one that is old.
	now func() time.Time
}

var (
	_ engines.Engine   = Engine{}
	_ engines.Canceler = Engine{}
	_ engines.Chooser  = Engine{}
)

// New returns the engine.
func New() Engine { return Engine{now: time.Now} }

// Name is volsync.
func (Engine) Name() opsv1alpha1.OperationEngine { return opsv1alpha1.EngineVolsync }

// Parameters of a Backup and of a Restore; a volume has no other use.
func (Engine) Parameters(t opsv1alpha1.OperationType) any {
	switch t {
	case opsv1alpha1.TypeBackup:
		return &BackupParameters{}
	case opsv1alpha1.TypeRestore:
		return &RestoreParameters{}
	default:
		return nil
	}
}

// Kinds are VolSync's, VolumeSnapshots, the volumes that a Restore makes, and the pods of movers, which explain.
func (Engine) Kinds() []client.Object {
	return []client.Object{
		&volsyncv1alpha1.ReplicationSource{}, &volsyncv1alpha1.ReplicationDestination{}, &snapshotv1.VolumeSnapshot{},
		&corev1.PersistentVolumeClaim{}, &corev1.Pod{},
	}
}

// Needs are VolSync's kinds with restic, and not with method snapshot. VolumeSnapshots are asked for in Plan, which knows how to do without.
func (Engine) Needs(op *opsv1alpha1.Operation) []client.Object {
	if glanceAt(op).Method == methodSnapshot {
		return nil
	}
	return []client.Object{&volsyncv1alpha1.ReplicationSource{}, &volsyncv1alpha1.ReplicationDestination{}}
}

// Plan makes what copies the volume.
func (e Engine) Plan(ctx context.Context, r client.Reader, run engines.Run) ([]engines.Change, error) {
	if err := engines.Supports(e, run.Operation.Spec.Type); err != nil {
		return nil, err
	}
	if run.Operation.Spec.Type == opsv1alpha1.TypeRestore {
		return planRestore(ctx, r, run)
	}
	return planBackup(ctx, r, run)
}

// Observe goes by what was recorded and not by the parameters: an agent that has become stricter still knows how its older runs stand.
func (e Engine) Observe(ctx context.Context, r client.Reader, run engines.Run) (engines.Outcome, error) {
	if !run.Applied() {
		return engines.Running(opsv1alpha1.ReasonEngineStarted, "nothing has been created yet"), nil
	}
	claim := recorded(run, kindClaim)
	volume := &corev1.PersistentVolumeClaim{}
	if claim != nil {
		found, err := own(ctx, r, run, claim, volume)
		if err != nil {
			return engines.Outcome{}, err
		}
		if !found {
			return engines.Lost(kindClaim, claim.Name), nil
		}
	}
	for _, kind := range []string{kindSource, kindDestination} {
		if ref := recorded(run, kind); ref != nil {
			return e.observeReplication(ctx, r, run, ref)
		}
	}
	if claim != nil {
		return observeClaim(ctx, r, run, volume)
	}
	return e.observeSnapshot(ctx, r, run)
}

// recorded is the run's object of a kind, or nil.
func recorded(run engines.Run, kind string) *opsv1alpha1.ResourceRef {
	for i, ref := range run.Operation.Status.Resources {
		if ref.Kind == kind {
			return &run.Operation.Status.Resources[i]
		}
	}
	return nil
}

// own reads the run's own object, and tells whether it is there: one of another run, or one that took the recorded one's place, is not.
func own(ctx context.Context, r client.Reader, run engines.Run, ref *opsv1alpha1.ResourceRef, obj client.Object) (bool, error) {
	err := r.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, obj)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s %s: %w", ref.Kind, ref.Name, err)
	}
	return run.Owns(obj, ref.Kind), nil
}
