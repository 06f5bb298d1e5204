// SPDX-License-Identifier: Apache-2.0

package velero

import (
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PartialFailure says what becomes of a run that Velero calls PartiallyFailed.
type PartialFailure string

const (
	// PartialFailureFail fails the run.
	PartialFailureFail PartialFailure = "Fail"
	// PartialFailureAccept lets the run succeed, with the condition Degraded.
	PartialFailureAccept PartialFailure = "Accept"
)

// BackupParameters are the parameters of an Operation of type Backup with engine velero. The Operation's namespace is backed up, narrowed by
// the parameters. None is required.
type BackupParameters struct {
	// StorageLocation is the BackupStorageLocation, in Velero's namespace, that the Backup is written to. Default: the one that is marked as
	// Velero's default.
	StorageLocation string `json:"storageLocation,omitempty"`
	// TTL is how long the Backup is kept, from its start on: a duration such as 720h, at least 1m. Velero then deletes it with its data.
	// Default: Velero's, which is 720h unless its server says otherwise.
	TTL string `json:"ttl,omitempty"`
	// Retention is the same as ttl; the two must not differ. Default: what ttl says.
	Retention string `json:"retention,omitempty"`
	// SnapshotVolumes takes snapshots of the volumes. Default: Velero takes them where it can.
	SnapshotVolumes *bool `json:"snapshotVolumes,omitempty"`
	// SnapshotClassName is the VolumeSnapshotClass for the volumes of that class's driver. A volume claim that names a class by the annotation
	// velero.io/csi-volumesnapshot-class keeps its own. Default: the class that Velero finds by label or as the driver's only or default one.
	SnapshotClassName string `json:"snapshotClassName,omitempty"`
	// CSISnapshotClassName is the same as snapshotClassName; the two must not differ. Default: what snapshotClassName says.
	CSISnapshotClassName string `json:"csiSnapshotClassName,omitempty"`
	// SnapshotMoveData copies the data of CSI snapshots to the storage location, so that the Backup outlives the storage system. Needs Velero's
	// node agent. Default: Velero's, which is false unless its server says otherwise.
	SnapshotMoveData *bool `json:"snapshotMoveData,omitempty"`
	// DefaultVolumesToFsBackup copies the files of all volumes that pods mount, instead of taking snapshots. Needs Velero's node agent. Default:
	// Velero's, which is false unless its server says otherwise.
	DefaultVolumesToFsBackup *bool `json:"defaultVolumesToFsBackup,omitempty"`
	// CSISnapshotTimeout is how long Velero waits for one CSI snapshot to be ready: a duration such as 10m, at least 1s. Default: Velero's,
	// which is 10m.
	CSISnapshotTimeout string `json:"csiSnapshotTimeout,omitempty"`
	// VolumeSnapshotLocations, in Velero's namespace, for snapshots that are not taken by CSI: at most one for each provider. Default: Velero's.
	VolumeSnapshotLocations []string `json:"volumeSnapshotLocations,omitempty"`
	// IncludedResources are the only kinds that are backed up, as plural names such as deployments.apps. Default: all.
	IncludedResources []string `json:"includedResources,omitempty"`
	// ExcludedResources are kinds that are not backed up, as plural names such as events. Operations never are. Default: none besides.
	ExcludedResources []string `json:"excludedResources,omitempty"`
	// IncludeClusterResources set to true backs up all objects that are in no namespace, and to false none, not even the PersistentVolumes of
	// claims. Default: those that belong to what is backed up.
	IncludeClusterResources *bool `json:"includeClusterResources,omitempty"`
	// LabelSelector narrows the Backup to objects with these labels. Default: all.
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
	// OrderedResources is the order in which objects of a kind are backed up: a plural name, such as pods, to a comma-separated list of
	// NAMESPACE/NAME (the Operation's namespace), without spaces. Default: no order.
	OrderedResources map[string]string `json:"orderedResources,omitempty"`
	// PartialFailure says what it means that some items or volumes could not be backed up: Fail, or Accept, which succeeds with the condition
	// Degraded. Default Fail.
	PartialFailure PartialFailure `json:"partialFailure,omitempty" jsonschema:"enum=Fail,enum=Accept"`
}

// RestoreParameters are the parameters of an Operation of type Restore with engine velero. It restores one namespace of the Backup into the
// Operation's namespace.
type RestoreParameters struct {
	// BackupName is the Backup to restore, in Velero's namespace. Required.
	BackupName string `json:"backupName" jsonschema:"minLength=1"`
	// NamespaceMapping has one entry: the namespace in the Backup to restore from, mapped to the Operation's namespace. Default: the namespace of
	// the same name.
	NamespaceMapping map[string]string `json:"namespaceMapping,omitempty"`
	// RestorePVs set to false does not restore volumes from their snapshots. Default: they are restored.
	RestorePVs *bool `json:"restorePVs,omitempty"`
	// ExistingResourcePolicy says what becomes of an object that exists already: none leaves it as it is, update tries to make it what the Backup
	// has. Volumes that exist are never overwritten. Default none.
	ExistingResourcePolicy velerov1.PolicyType `json:"existingResourcePolicy,omitempty" jsonschema:"enum=none,enum=update"`
	// IncludedResources are the only kinds that are restored, as plural names such as deployments.apps. Default: all in the Backup.
	IncludedResources []string `json:"includedResources,omitempty"`
	// ExcludedResources are kinds that are not restored, as plural names. Operations and ApplicationInstances never are, nor are HelmReleases with
	// existingResourcePolicy update. Default: none besides.
	ExcludedResources []string `json:"excludedResources,omitempty"`
	// LabelSelector narrows the Restore to objects with these labels. Default: all.
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
	// PartialFailure says what it means that some items or volumes could not be restored, and whether a Backup that is itself incomplete may be
	// restored: Fail, or Accept, which succeeds with the condition Degraded. Default Fail.
	PartialFailure PartialFailure `json:"partialFailure,omitempty" jsonschema:"enum=Fail,enum=Accept"`
}
