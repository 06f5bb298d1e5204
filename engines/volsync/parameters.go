// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// What makes a copy, and what brings it back.
const (
	methodRestic   = "restic"
	methodSnapshot = "snapshot"
)

// BackupParameters are the parameters of an Operation of type Backup with engine volsync.
type BackupParameters struct {
	// PVC is the PersistentVolumeClaim to back up, in the Operation's namespace. Required.
	PVC string `json:"pvc" jsonschema:"minLength=1"`
	// Method is what makes the copy: restic sends the files to a repository, snapshot takes a VolumeSnapshot, which stays in the storage of
	// the volume and shares its fate. Default restic.
	Method string `json:"method,omitempty" jsonschema:"enum=restic,enum=snapshot"`
	// Direction can only be source: a Backup reads. Default source.
	Direction string `json:"direction,omitempty" jsonschema:"enum=source"`
	// Repository that restic sends to. Required with method restic.
	Repository *Repository `json:"repository,omitempty"`
	// Schedule makes the backup a recurring one, which goes on until the Operation is cancelled: five cron fields, or one of @hourly, @daily, @weekly,
	// @monthly, @yearly and @annually, in the time zone of VolSync's controller. A field is *, */STEP, N, N-M, N/STEP or N,M,...; names
	// of days and months are not known. The first backup is made at once. Only with method restic, and not with quiesce. Default: one backup.
	Schedule string `json:"schedule,omitempty"`
	// CopyMethod is what restic reads: Snapshot, or Clone, a copy of the volume of one moment; Direct, the volume itself while the application
	// writes. Snapshot and Clone need a CSI driver that can do so. Only with method restic. Default Snapshot.
	CopyMethod string `json:"copyMethod,omitempty" jsonschema:"enum=Snapshot,enum=Clone,enum=Direct"`
	// VolumeSnapshotClassName for method snapshot and for copyMethod Snapshot. Default: the cluster's default class for the driver.
	VolumeSnapshotClassName string `json:"volumeSnapshotClassName,omitempty"`
	// StorageClassName of the copy that restic reads, and of its cache. Only with method restic. Default: that of the volume.
	StorageClassName string `json:"storageClassName,omitempty"`
	// AccessModes of the copy that restic reads. Only with method restic. Default: those of the volume.
	AccessModes []string `json:"accessModes,omitempty" jsonschema:"enum=ReadWriteOnce,enum=ReadOnlyMany,enum=ReadWriteMany,enum=ReadWriteOncePod"`
	// CacheCapacity is the size of restic's cache volume, such as 2Gi. Only with method restic. Default 1Gi.
	CacheCapacity string `json:"cacheCapacity,omitempty"`
	// Retain says which backups stay in the repository; all others of this repository are forgotten. At least one rule is needed. Only with
	// method restic. Default: all stay.
	Retain *Retain `json:"retain,omitempty"`
	// PruneIntervalDays is how often the repository's unused data is removed, 1 to 3650. Only with schedule: VolSync counts the days from the
	// beginning of the recurring backup. Default 7.
	PruneIntervalDays *int32 `json:"pruneIntervalDays,omitempty" jsonschema:"minimum=1,maximum=3650"`
	// MoverServiceAccount that restic's pod runs as, in the Operation's namespace. Default: VolSync makes one.
	MoverServiceAccount string `json:"moverServiceAccount,omitempty"`
	// MoverSecurityContext is the user that restic's pod runs as, which must be able to read the files. Default: VolSync's.
	MoverSecurityContext *MoverSecurityContext `json:"moverSecurityContext,omitempty"`
}

// RestoreParameters are the parameters of an Operation of type Restore with engine volsync.
type RestoreParameters struct {
	// PVC is the PersistentVolumeClaim to restore, in the Operation's namespace. It must exist, unless the Operation makes it: with
	// method snapshot, and with capacity, it must not. Required where it must exist. Default: a name made from the Operation's.
	PVC string `json:"pvc,omitempty"`
	// Method is what brings the copy back: restic from a repository, snapshot from a VolumeSnapshot. Default restic.
	Method string `json:"method,omitempty" jsonschema:"enum=restic,enum=snapshot"`
	// Direction can only be destination: a Restore writes. Default destination.
	Direction string `json:"direction,omitempty" jsonschema:"enum=destination"`
	// Repository that restic reads. Required with method restic.
	Repository *Repository `json:"repository,omitempty"`
	// VolumeSnapshotName is the VolumeSnapshot to restore, in the Operation's namespace. Required with method snapshot, and only there.
	VolumeSnapshotName string `json:"volumeSnapshotName,omitempty"`
	// Previous is how many backups to skip, counted back from the newest one that fits, 0 or more. Only with method restic. Default 0.
	Previous *int32 `json:"previous,omitempty" jsonschema:"minimum=0"`
	// RestoreAsOf takes the newest backup that is not younger than this time, in RFC 3339, such as 2026-11-23T10:00:00Z. Only with method
	// restic. Default: the newest backup.
	RestoreAsOf string `json:"restoreAsOf,omitempty"`
	// EnableFileDeletion removes files that the backup does not have. Only with method restic. Default false: they stay beside the restored ones.
	EnableFileDeletion bool `json:"enableFileDeletion,omitempty"`
	// AllowInUse restores also while pods mount the PersistentVolumeClaim: they see files change under them. Only with method restic. Default
	// false: the Operation waits until they are gone.
	AllowInUse bool `json:"allowInUse,omitempty"`
	// Capacity makes a new PersistentVolumeClaim of this size, such as 20Gi. Default: with method restic, pvc exists; with method snapshot,
	// the size that the VolumeSnapshot needs.
	Capacity string `json:"capacity,omitempty"`
	// StorageClassName of the new PersistentVolumeClaim. Default: the cluster's default class.
	StorageClassName string `json:"storageClassName,omitempty"`
	// AccessModes of the new PersistentVolumeClaim. Default ReadWriteOnce.
	AccessModes []string `json:"accessModes,omitempty" jsonschema:"enum=ReadWriteOnce,enum=ReadOnlyMany,enum=ReadWriteMany,enum=ReadWriteOncePod"`
	// CopyMethod Snapshot also keeps a VolumeSnapshot of what was restored; Direct does not. Only with method restic. Default Direct.
	CopyMethod string `json:"copyMethod,omitempty" jsonschema:"enum=Direct,enum=Snapshot"`
	// VolumeSnapshotClassName for copyMethod Snapshot. Default: the cluster's default class for the driver.
	VolumeSnapshotClassName string `json:"volumeSnapshotClassName,omitempty"`
	// CacheCapacity is the size of restic's cache volume, such as 2Gi. Only with method restic. Default 1Gi.
	CacheCapacity string `json:"cacheCapacity,omitempty"`
	// MoverServiceAccount that restic's pod runs as, in the Operation's namespace. Default: VolSync makes one.
	MoverServiceAccount string `json:"moverServiceAccount,omitempty"`
	// MoverSecurityContext is the user that restic's pod runs as, which must be able to write the files. Default: VolSync's.
	MoverSecurityContext *MoverSecurityContext `json:"moverSecurityContext,omitempty"`
}

// Repository is where restic keeps its backups. VolSync gives all of them one host name and one path, so each volume needs a repository of its own.
type Repository struct {
	// SecretName is the Secret, in the Operation's namespace, with RESTIC_REPOSITORY, RESTIC_PASSWORD and what the storage needs besides. It is
	// named and never read. Required.
	SecretName string `json:"secretName" jsonschema:"minLength=1"`
	// Type can only be restic. Default restic.
	Type string `json:"type,omitempty" jsonschema:"enum=restic"`
}

// Retain says which backups stay. One that fits any of the rules stays. At least one is needed.
type Retain struct {
	// Last is how many of the newest backups stay, 1 or more. Default: no such rule.
	Last *int32 `json:"last,omitempty" jsonschema:"minimum=1"`
	// Hourly is for how many hours the newest backup stays, 1 or more. Default: no such rule.
	Hourly *int32 `json:"hourly,omitempty" jsonschema:"minimum=1"`
	// Daily is for how many days the newest backup stays, 1 or more. Default: no such rule.
	Daily *int32 `json:"daily,omitempty" jsonschema:"minimum=1"`
	// Weekly is for how many weeks the newest backup stays, 1 or more. Default: no such rule.
	Weekly *int32 `json:"weekly,omitempty" jsonschema:"minimum=1"`
	// Monthly is for how many months the newest backup stays, 1 or more. Default: no such rule.
	Monthly *int32 `json:"monthly,omitempty" jsonschema:"minimum=1"`
	// Yearly is for how many years the newest backup stays, 1 or more. Default: no such rule.
	Yearly *int32 `json:"yearly,omitempty" jsonschema:"minimum=1"`
	// Within is a time in which all backups stay, counted back from the newest: years, months, days and hours in this order, such as 1y6m or 14d12h.
	// Default: no such rule.
	Within string `json:"within,omitempty" jsonschema:"pattern=^([0-9]+y)?([0-9]+m)?([0-9]+d)?([0-9]+h)?$"`
}

// MoverSecurityContext is the user of restic's pod. The pod then fits the restricted Pod Security Standard. Leave it out in a namespace with
// VolSync's privileged movers, which run as root.
type MoverSecurityContext struct {
	// RunAsUser is a user ID other than 0. Required.
	RunAsUser *int64 `json:"runAsUser" jsonschema:"minimum=1"`
	// RunAsGroup is a group ID. Default: left to the container runtime.
	RunAsGroup *int64 `json:"runAsGroup,omitempty" jsonschema:"minimum=0"`
	// FSGroup is the group that the volume's files are made accessible to. Default: none.
	FSGroup *int64 `json:"fsGroup,omitempty" jsonschema:"minimum=0"`
}

// glance is what can be told of an Operation's parameters when they may be wrong; of wrong ones, nothing.
type glance struct {
	Method string `json:"method"`
	PVC    string `json:"pvc"`
}

func glanceAt(op *opsv1alpha1.Operation) glance {
	var p glance
	if raw := op.Spec.Parameters; raw == nil || json.Unmarshal(raw.Raw, &p) != nil {
		return glance{}
	}
	return p
}

// decodeBackup reads and checks what op asks for. The error is an *engines.InvalidError that lists everything that is wrong.
func decodeBackup(op *opsv1alpha1.Operation) (*BackupParameters, error) {
	p := &BackupParameters{}
	if err := engines.DecodeParameters(op, p); err != nil {
		return nil, err
	}
	if p.Method == "" {
		p.Method = methodRestic
	}
	p.Schedule = strings.Join(strings.Fields(p.Schedule), " ")
	errs := append(p.validate(engines.ParametersPath()), p.refuseQuiesce(op)...)
	return p, engines.Invalid(sorted(errs)...)
}

// refuseQuiesce of what does not end: the application is woken up when the run has ended, and nobody else could quiesce it until then.
func (p *BackupParameters) refuseQuiesce(op *opsv1alpha1.Operation) field.ErrorList {
	if common, err := engines.CommonParameters(op); err != nil || !common.Quiesce || p.Schedule == "" {
		return nil
	}
	return field.ErrorList{field.Forbidden(engines.ParametersPath().Child("quiesce"), "a recurring backup does not end, and the application would stay quiesced: "+
		"leave it out, or leave schedule out and create an Operation for each backup")}
}

// decodeRestore reads and checks what op asks for. The error is an *engines.InvalidError that lists everything that is wrong.
func decodeRestore(op *opsv1alpha1.Operation) (*RestoreParameters, error) {
	p := &RestoreParameters{}
	if err := engines.DecodeParameters(op, p); err != nil {
		return nil, err
	}
	if p.Method == "" {
		p.Method = methodRestic
	}
	return p, engines.Invalid(p.validate(engines.ParametersPath())...)
}

// makesClaim tells whether the Operation makes the PersistentVolumeClaim that it restores.
func (p *RestoreParameters) makesClaim() bool { return p.Method == methodSnapshot || p.Capacity != "" }
