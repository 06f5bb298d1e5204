// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"cmp"
	"context"
	"maps"
	"path"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// planBackup makes the run's Backup, once there is a place to put it.
func (e Engine) planBackup(ctx context.Context, r client.Reader, run engines.Run, p *BackupParameters) (*velerov1.Backup, error) {
	location, err := e.locationForBackup(ctx, r, p.StorageLocation)
	if err != nil {
		return nil, err
	}
	class, err := snapshotClass(ctx, r, p)
	if err != nil {
		return nil, err
	}
	backup := &velerov1.Backup{TypeMeta: typeOf(kindBackup), ObjectMeta: e.meta(run)}
	maps.Copy(backup.Annotations, class)
	backup.Spec = velerov1.BackupSpec{
		IncludedNamespaces:       []string{run.Namespace()},
		LabelSelector:            p.LabelSelector,
		OrderedResources:         p.OrderedResources,
		TTL:                      durationOf(cmp.Or(p.TTL, p.Retention)),
		StorageLocation:          location,
		VolumeSnapshotLocations:  p.VolumeSnapshotLocations,
		SnapshotVolumes:          p.SnapshotVolumes,
		SnapshotMoveData:         p.SnapshotMoveData,
		DefaultVolumesToFsBackup: p.DefaultVolumesToFsBackup,
		CSISnapshotTimeout:       durationOf(p.CSISnapshotTimeout),
	}
	p.filter(&backup.Spec)
	return backup, nil
}

// filter sets which kinds are backed up. Velero has an old and a new set of fields for that and refuses a Backup that uses both, or that uses the
// old ones where its server has filters for all Backups: so the old ones are only set for somebody who asks for them.
func (p *BackupParameters) filter(spec *velerov1.BackupSpec) {
	if len(p.IncludedResources) == 0 && len(p.ExcludedResources) == 0 && p.IncludeClusterResources == nil {
		spec.ExcludedNamespaceScopedResources = p.reserved()
		return
	}
	spec.IncludedResources = p.IncludedResources
	spec.ExcludedResources = exclude(p.ExcludedResources, p.reserved())
	spec.IncludeClusterResources = p.IncludeClusterResources
}

func typeOf(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: velerov1.SchemeGroupVersion.String(), Kind: kind}
}

// meta names the object and says whose it is. Labels and annotations of a Backup are stored with it, and are seen in every cluster that
// shares its bucket.
func (e Engine) meta(run engines.Run) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:        nameOf(run),
		Namespace:   e.namespace,
		Labels:      run.Labels(),
		Annotations: map[string]string{opsv1alpha1.AnnotationOrigin: path.Join(run.Cluster, run.Namespace(), run.Operation.Name)},
	}
}
