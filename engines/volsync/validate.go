// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"fmt"
	"regexp"
	"time"

	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxPruneIntervalDays bounds the interval to what nobody means to exceed.
const maxPruneIntervalDays = 3650

// withinShape is a duration as restic writes it.
var withinShape = regexp.MustCompile(`^([0-9]+y)?([0-9]+m)?([0-9]+d)?([0-9]+h)?$`)

var (
	backupCopyMethods  = []volsyncv1alpha1.CopyMethodType{volsyncv1alpha1.CopyMethodSnapshot, volsyncv1alpha1.CopyMethodClone, volsyncv1alpha1.CopyMethodDirect}
	restoreCopyMethods = []volsyncv1alpha1.CopyMethodType{volsyncv1alpha1.CopyMethodDirect, volsyncv1alpha1.CopyMethodSnapshot}
	accessModes        = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadOnlyMany, corev1.ReadWriteMany, corev1.ReadWriteOncePod}
)

func (p *BackupParameters) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if p.PVC == "" {
		errs = append(errs, field.Required(at.Child("pvc"), "name the PersistentVolumeClaim to back up"))
	}
	errs = append(errs, checkEnum(p.Method, []string{methodRestic, methodSnapshot}, at.Child("method"))...)
	errs = append(errs, checkEnum(p.Direction, []string{"source"}, at.Child("direction"))...)
	errs = append(errs, checkEnum(volsyncv1alpha1.CopyMethodType(p.CopyMethod), backupCopyMethods, at.Child("copyMethod"))...)
	for name, value := range map[string]string{
		"pvc": p.PVC, "volumeSnapshotClassName": p.VolumeSnapshotClassName, "storageClassName": p.StorageClassName,
		"moverServiceAccount": p.MoverServiceAccount,
	} {
		errs = append(errs, checkName(value, at.Child(name))...)
	}
	errs = append(errs, checkAccessModes(p.AccessModes, at.Child("accessModes"))...)
	errs = append(errs, checkQuantity(p.CacheCapacity, at.Child("cacheCapacity"))...)
	errs = append(errs, p.MoverSecurityContext.validate(at.Child("moverSecurityContext"))...)
	if p.Method == methodSnapshot {
		errs = append(errs, forbid(at, "belongs to method restic: leave it out", []set{
			{"repository", p.Repository != nil}, {"schedule", p.Schedule != ""}, {"copyMethod", p.CopyMethod != ""},
			{"storageClassName", p.StorageClassName != ""}, {"accessModes", p.AccessModes != nil}, {"cacheCapacity", p.CacheCapacity != ""},
			{"retain", p.Retain != nil}, {"pruneIntervalDays", p.PruneIntervalDays != nil},
			{"moverServiceAccount", p.MoverServiceAccount != ""}, {"moverSecurityContext", p.MoverSecurityContext != nil},
		})...)
		return sorted(errs)
	}
	errs = append(errs, p.Repository.validate(at.Child("repository"))...)
	errs = append(errs, p.validateRecurrence(at)...)
	errs = append(errs, p.Retain.validate(at.Child("retain"))...)
	if m := p.CopyMethod; p.VolumeSnapshotClassName != "" && m != "" && m != string(volsyncv1alpha1.CopyMethodSnapshot) {
		errs = append(errs, field.Forbidden(at.Child("volumeSnapshotClassName"), "copyMethod "+m+" takes no VolumeSnapshot: leave it out, or set copyMethod: Snapshot"))
	}
	return sorted(errs)
}

func (p *BackupParameters) validateRecurrence(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if p.Schedule != "" {
		if err := checkSchedule(p.Schedule); err != nil {
			errs = append(errs, field.Invalid(at.Child("schedule"), p.Schedule, err.Error()))
		}
	}
	switch days := p.PruneIntervalDays; {
	case days == nil:
	case p.Schedule == "":
		errs = append(errs, field.Forbidden(at.Child("pruneIntervalDays"),
			"VolSync counts the days from the beginning of a recurring backup, so one backup never prunes: leave it out, or set schedule"))
	case *days < 1 || *days > maxPruneIntervalDays:
		errs = append(errs, field.Invalid(at.Child("pruneIntervalDays"), *days, fmt.Sprintf("must be between 1 and %d", maxPruneIntervalDays)))
	}
	return errs
}

func (p *RestoreParameters) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	errs = append(errs, checkEnum(p.Method, []string{methodRestic, methodSnapshot}, at.Child("method"))...)
	errs = append(errs, checkEnum(p.Direction, []string{"destination"}, at.Child("direction"))...)
	errs = append(errs, checkEnum(volsyncv1alpha1.CopyMethodType(p.CopyMethod), restoreCopyMethods, at.Child("copyMethod"))...)
	for name, value := range map[string]string{
		"pvc": p.PVC, "volumeSnapshotName": p.VolumeSnapshotName, "volumeSnapshotClassName": p.VolumeSnapshotClassName,
		"storageClassName": p.StorageClassName, "moverServiceAccount": p.MoverServiceAccount,
	} {
		errs = append(errs, checkName(value, at.Child(name))...)
	}
	errs = append(errs, checkAccessModes(p.AccessModes, at.Child("accessModes"))...)
	errs = append(errs, checkQuantity(p.Capacity, at.Child("capacity"))...)
	errs = append(errs, checkQuantity(p.CacheCapacity, at.Child("cacheCapacity"))...)
	errs = append(errs, p.MoverSecurityContext.validate(at.Child("moverSecurityContext"))...)
	if p.Method == methodSnapshot {
		return sorted(append(errs, p.validateSnapshot(at)...))
	}
	return sorted(append(errs, p.validateRestic(at)...))
}

func (p *RestoreParameters) validateSnapshot(at *field.Path) field.ErrorList {
	errs := forbid(at, "belongs to method restic: leave it out", []set{
		{"repository", p.Repository != nil}, {"previous", p.Previous != nil}, {"restoreAsOf", p.RestoreAsOf != ""},
		{"enableFileDeletion", p.EnableFileDeletion}, {"allowInUse", p.AllowInUse}, {"copyMethod", p.CopyMethod != ""},
		{"volumeSnapshotClassName", p.VolumeSnapshotClassName != ""}, {"cacheCapacity", p.CacheCapacity != ""},
		{"moverServiceAccount", p.MoverServiceAccount != ""}, {"moverSecurityContext", p.MoverSecurityContext != nil},
	})
	if p.VolumeSnapshotName == "" {
		errs = append(errs, field.Required(at.Child("volumeSnapshotName"), "name the VolumeSnapshot to restore"))
	}
	return errs
}

func (p *RestoreParameters) validateRestic(at *field.Path) field.ErrorList {
	errs := forbid(at, "belongs to method snapshot: leave it out, or set method: snapshot", []set{{"volumeSnapshotName", p.VolumeSnapshotName != ""}})
	errs = append(errs, p.Repository.validate(at.Child("repository"))...)
	if p.makesClaim() {
		errs = append(errs, forbid(at, "nobody mounts a new PersistentVolumeClaim: leave it out", []set{{"allowInUse", p.AllowInUse}})...)
	} else {
		errs = append(errs, forbid(at, "is for a new PersistentVolumeClaim: leave it out, or set capacity", []set{
			{"storageClassName", p.StorageClassName != ""}, {"accessModes", p.AccessModes != nil},
		})...)
		if p.PVC == "" {
			errs = append(errs, field.Required(at.Child("pvc"), "name the PersistentVolumeClaim to restore into, or set capacity to have a new one made"))
		}
	}
	if n := p.Previous; n != nil && *n < 0 {
		errs = append(errs, field.Invalid(at.Child("previous"), *n, "must be 0 or above"))
	}
	if t := p.RestoreAsOf; t != "" {
		if _, err := time.Parse(time.RFC3339, t); err != nil {
			errs = append(errs, field.Invalid(at.Child("restoreAsOf"), t, "must be a time in RFC 3339, such as 2026-11-23T10:00:00Z"))
		}
	}
	if p.VolumeSnapshotClassName != "" && p.CopyMethod != string(volsyncv1alpha1.CopyMethodSnapshot) {
		errs = append(errs, field.Forbidden(at.Child("volumeSnapshotClassName"), "no VolumeSnapshot is taken: leave it out, or set copyMethod: Snapshot"))
	}
	return errs
}

func (r *Repository) validate(at *field.Path) field.ErrorList {
	if r == nil || r.SecretName == "" {
		return field.ErrorList{field.Required(at.Child("secretName"),
			"name the Secret with RESTIC_REPOSITORY and RESTIC_PASSWORD, or set method: snapshot for a copy that stays in the storage of the volume")}
	}
	errs := checkName(r.SecretName, at.Child("secretName"))
	return append(errs, checkEnum(r.Type, []string{"restic"}, at.Child("type"))...)
}

func (r *Retain) validate(at *field.Path) field.ErrorList {
	if r == nil {
		return nil
	}
	var errs field.ErrorList
	rules := 0
	for _, rule := range []struct {
		name string
		keep *int32
	}{{"last", r.Last}, {"hourly", r.Hourly}, {"daily", r.Daily}, {"weekly", r.Weekly}, {"monthly", r.Monthly}, {"yearly", r.Yearly}} {
		if rule.keep == nil {
			continue
		}
		rules++
		if *rule.keep < 1 {
			errs = append(errs, field.Invalid(at.Child(rule.name), *rule.keep, "must be at least 1; leave it out for no such rule"))
		}
	}
	if r.Within != "" {
		rules++
		if !withinShape.MatchString(r.Within) {
			errs = append(errs, field.Invalid(at.Child("within"), r.Within, "must be years, months, days and hours in this order, such as 1y6m or 14d12h"))
		}
	}
	if rules == 0 {
		errs = append(errs, field.Required(at, "set at least one rule, or leave retain out to keep every backup: without a rule VolSync keeps only the newest"))
	}
	return errs
}

func (m *MoverSecurityContext) validate(at *field.Path) field.ErrorList {
	if m == nil {
		return nil
	}
	var errs field.ErrorList
	switch {
	case m.RunAsUser == nil:
		errs = append(errs, field.Required(at.Child("runAsUser"), "set the ID of the user that owns the files"))
	case *m.RunAsUser < 1:
		errs = append(errs, field.Invalid(at.Child("runAsUser"), *m.RunAsUser,
			"must be above 0; for a mover that runs as root annotate the namespace with "+volsyncv1alpha1.PrivilegedMoversNamespaceAnnotation+"=true and leave moverSecurityContext out"))
	}
	for _, id := range []struct {
		name string
		id   *int64
	}{{"runAsGroup", m.RunAsGroup}, {"fsGroup", m.FSGroup}} {
		if id.id != nil && *id.id < 0 {
			errs = append(errs, field.Invalid(at.Child(id.name), *id.id, "must be 0 or above"))
		}
	}
	return errs
}
