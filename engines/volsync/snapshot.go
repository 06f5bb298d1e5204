// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"context"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// observeSnapshot says where a VolumeSnapshot stands.
func (e Engine) observeSnapshot(ctx context.Context, r client.Reader, run engines.Run) (engines.Outcome, error) {
	ref := recorded(run, kindSnapshot)
	if ref == nil {
		return engines.Lost(kindSnapshot, run.Name()), nil
	}
	snapshot := &snapshotv1.VolumeSnapshot{}
	found, err := own(ctx, r, run, ref, snapshot)
	if err != nil {
		return engines.Outcome{}, err
	}
	if !found {
		return engines.Lost(kindSnapshot, ref.Name), nil
	}
	o := e.judgeSnapshot(run, snapshot)
	o.Outputs = map[string]string{"volumeSnapshotName": snapshot.Name}
	if st := snapshot.Status; st != nil {
		if st.BoundVolumeSnapshotContentName != nil {
			o.Outputs["volumeSnapshotContentName"] = *st.BoundVolumeSnapshotContentName
		}
		if st.RestoreSize != nil {
			o.Outputs["restoreSize"] = st.RestoreSize.String()
		}
	}
	return o, nil
}

// judgeSnapshot decides. The snapshot controller repeats what fails for ever, and many an error is gone with the next attempt, so an error ends
// the run only when it lasts.
func (e Engine) judgeSnapshot(run engines.Run, s *snapshotv1.VolumeSnapshot) engines.Outcome {
	said := snapshotSays(s)
	switch {
	case ready(s):
		return engines.Succeeded(ReasonSnapshotReady, "VolumeSnapshot %s is ready to use", s.Name)
	case s.DeletionTimestamp != nil:
		return engines.Running(ReasonDeleting, "VolumeSnapshot %s is being deleted", s.Name)
	case cancelled(run):
		return engines.Failed(ReasonLeft, "VolumeSnapshot %s is not deleted and may still become ready: %s", s.Name, said)
	case s.Status == nil || s.Status.Error == nil:
		return engines.Running(ReasonSnapshotInProgress, "VolumeSnapshot %s is not ready: %s", s.Name, said)
	}
	since := s.CreationTimestamp
	if s.Status.CreationTime != nil && s.Status.Error.Time != nil {
		since = *s.Status.Error.Time
	}
	if run.Operation.Spec.Timeout == nil && e.longFailing(since) {
		return engines.Failed(ReasonSnapshotFailed, "%s; the snapshot controller goes on trying: delete VolumeSnapshot %s if it is not wanted", said, s.Name)
	}
	return engines.Running(ReasonSnapshotFailed, "the snapshot controller tries again: %s", said)
}

// cancelled tells whether the executor was told to stop what cannot be stopped.
func cancelled(run engines.Run) bool {
	return run.Operation.Status.Reason == opsv1alpha1.ReasonUserCancelled
}
