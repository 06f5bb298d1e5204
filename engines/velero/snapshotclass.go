// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// snapshotClass is the annotation by which Velero picks a VolumeSnapshotClass. A Backup has no field for it, and the annotation is one for
// each driver: so the driver is read from the class. It is empty when no class is asked for.
func snapshotClass(ctx context.Context, r client.Reader, p *BackupParameters) (map[string]string, error) {
	name := cmp.Or(p.SnapshotClassName, p.CSISnapshotClassName)
	if name == "" {
		return nil, nil
	}
	class := &snapshotv1.VolumeSnapshotClass{}
	err := r.Get(ctx, client.ObjectKey{Name: name}, class)
	switch {
	case apierrors.IsNotFound(err):
		return nil, &engines.BlockedError{Reason: ReasonSnapshotClassMissing, Message: fmt.Sprintf("VolumeSnapshotClass %s does not exist: "+
			"make it, or name one that `kubectl get volumesnapshotclasses` lists", name)}
	case meta.IsNoMatchError(err):
		return nil, &engines.BlockedError{Reason: ReasonSnapshotClassMissing, Message: fmt.Sprintf("VolumeSnapshotClass %s cannot be read: "+
			"the cluster does not serve snapshot.storage.k8s.io/v1; install the CSI snapshot CRDs and their controller", name)}
	case err != nil:
		return nil, fmt.Errorf("read VolumeSnapshotClass %s: %w", name, err)
	}
	// Velero looks for the driver in lower case.
	key := velerov1.VolumeSnapshotClassDriverBackupAnnotationPrefix + "_" + strings.ToLower(class.Driver)
	if wrong := validation.IsQualifiedName(key); len(wrong) > 0 {
		return nil, engines.Invalid(field.Invalid(p.snapshotClassPath(), name, fmt.Sprintf("its driver %s makes no valid annotation %s (%s): "+
			"leave it out, and put the label %s on the class", class.Driver, key, strings.Join(wrong, "; "), velerov1.VolumeSnapshotClassSelectorLabel)))
	}
	return map[string]string{key: name}, nil
}

// snapshotClassPath is the alias that was set.
func (p *BackupParameters) snapshotClassPath() *field.Path {
	if p.SnapshotClassName != "" {
		return engines.ParametersPath().Child("snapshotClassName")
	}
	return engines.ParametersPath().Child("csiSnapshotClassName")
}
