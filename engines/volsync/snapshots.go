// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"context"
	"fmt"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// snapshotsServed says what keeps VolumeSnapshots from being made here. VolSync itself works without them, so that their CRDs are asked for
// only by the runs that need them.
func snapshotsServed(ctx context.Context, r client.Reader, run engines.Run, class string) error {
	err := r.Get(ctx, client.ObjectKey{Namespace: run.Namespace(), Name: run.Name()}, &snapshotv1.VolumeSnapshot{})
	if err := readable(err); err != nil || class == "" {
		return err
	}
	err = r.Get(ctx, client.ObjectKey{Name: class}, &snapshotv1.VolumeSnapshotClass{})
	if apierrors.IsNotFound(err) {
		return &engines.BlockedError{Reason: ReasonMissingSnapshotClass, Message: fmt.Sprintf(
			"VolumeSnapshotClass %s does not exist: create it, or correct spec.parameters.volumeSnapshotClassName in a new Operation", class)}
	}
	return readable(err)
}

// readable is nil when the API answered, also when what was asked for is not there.
func readable(err error) error {
	switch {
	case err == nil || apierrors.IsNotFound(err):
		return nil
	case meta.IsNoMatchError(err):
		return &engines.BlockedError{Reason: opsv1alpha1.ReasonEngineNotInstalled, Message: fmt.Sprintf("this cluster does not serve VolumeSnapshots (%s): "+
			"install the CSI snapshot controller and its CRDs, or create a Backup with spec.parameters.copyMethod: Direct", snapshotv1.SchemeGroupVersion)}
	}
	return fmt.Errorf("read VolumeSnapshots: %w", err)
}

// sizeOfSnapshot is the size of a volume for a VolumeSnapshot that must be ready.
func sizeOfSnapshot(ctx context.Context, r client.Reader, run engines.Run, p *RestoreParameters) (resource.Quantity, error) {
	none := resource.Quantity{}
	snapshot := &snapshotv1.VolumeSnapshot{}
	err := r.Get(ctx, client.ObjectKey{Namespace: run.Namespace(), Name: p.VolumeSnapshotName}, snapshot)
	if apierrors.IsNotFound(err) {
		return none, &engines.BlockedError{Reason: ReasonSnapshotNotFound, Message: fmt.Sprintf("VolumeSnapshot %s does not exist in namespace %s: "+
			"create it, or correct spec.parameters.volumeSnapshotName in a new Operation", p.VolumeSnapshotName, run.Namespace())}
	}
	if err := readable(err); err != nil {
		return none, err
	}
	if !ready(snapshot) {
		return none, &engines.BlockedError{Reason: ReasonSnapshotNotReady, Message: opsv1alpha1.Truncate(fmt.Sprintf(
			"VolumeSnapshot %s is not ready to use: %s", snapshot.Name, snapshotSays(snapshot)), opsv1alpha1.MaxMessage)}
	}
	at := engines.ParametersPath().Child("capacity")
	needs := snapshot.Status.RestoreSize
	switch {
	case p.Capacity == "" && (needs == nil || needs.Sign() <= 0):
		return none, engines.Invalid(field.Required(at, fmt.Sprintf("VolumeSnapshot %s does not say how large its volume is: set the size", snapshot.Name)))
	case p.Capacity == "":
		return *needs, nil
	}
	asked := resource.MustParse(p.Capacity)
	if needs != nil && asked.Cmp(*needs) < 0 {
		return none, engines.Invalid(field.Invalid(at, p.Capacity, fmt.Sprintf("is less than the %s that VolumeSnapshot %s needs", needs, snapshot.Name)))
	}
	return asked, nil
}

func ready(s *snapshotv1.VolumeSnapshot) bool {
	return s.Status != nil && s.Status.ReadyToUse != nil && *s.Status.ReadyToUse
}

// snapshotSays is what the snapshot controller says about a VolumeSnapshot that is not ready.
func snapshotSays(s *snapshotv1.VolumeSnapshot) string {
	switch {
	case s.Status != nil && s.Status.Error != nil:
		if m := s.Status.Error.Message; m != nil && *m != "" {
			return engines.Redact(oneLine(*m))
		}
		return "the snapshot controller reports an error without a message; see the VolumeSnapshot's events"
	case s.Status == nil || s.Status.BoundVolumeSnapshotContentName == nil:
		return "no snapshot has been begun; if it stays so, see the VolumeSnapshot's events, and whether the snapshot controller runs"
	case s.Status.CreationTime == nil:
		return "the CSI driver has not taken it yet"
	}
	return "the CSI driver has taken it and is still at work on it"
}
