// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	// minTTL: what is kept for less is gone before anybody has seen it.
	minTTL = time.Minute
	// minSnapshotTimeout: below it no snapshot is ever ready.
	minSnapshotTimeout = time.Second
)

// validate finds what Velero would refuse, and what it would take and not heed. Velero tells of the former only when the run is under way.
func (p *BackupParameters) validate(at *field.Path, namespace string) field.ErrorList {
	errs := validateName(p.StorageLocation, at.Child("storageLocation"))
	errs = append(errs, p.validateTTL(at)...)
	errs = append(errs, p.validateSnapshots(at)...)
	errs = append(errs, validateDuration(p.CSISnapshotTimeout, minSnapshotTimeout, at.Child("csiSnapshotTimeout"))...)
	for i, name := range p.VolumeSnapshotLocations {
		if name == "" {
			errs = append(errs, field.Required(at.Child("volumeSnapshotLocations").Index(i), "name a VolumeSnapshotLocation in Velero's namespace"))
		}
		errs = append(errs, validateName(name, at.Child("volumeSnapshotLocations").Index(i))...)
	}
	errs = append(errs, validateResources(p.IncludedResources, p.ExcludedResources, p.reserved(), at)...)
	errs = append(errs, validateSelector(p.LabelSelector, at.Child("labelSelector"))...)
	errs = append(errs, validateOrder(p.OrderedResources, namespace, at.Child("orderedResources"))...)
	return append(errs, validatePartialFailure(p.PartialFailure, at.Child("partialFailure"))...)
}

func (p *BackupParameters) validateTTL(at *field.Path) field.ErrorList {
	errs := validateDuration(p.TTL, minTTL, at.Child("ttl"))
	errs = append(errs, validateDuration(p.Retention, minTTL, at.Child("retention"))...)
	if len(errs) == 0 && p.TTL != "" && p.Retention != "" && durationOf(p.TTL) != durationOf(p.Retention) {
		errs = append(errs, field.Invalid(at.Child("retention"), p.Retention, fmt.Sprintf("means the same as ttl, which is %s: leave one of them out", p.TTL)))
	}
	return errs
}

func (p *BackupParameters) validateSnapshots(at *field.Path) field.ErrorList {
	errs := validateName(p.SnapshotClassName, at.Child("snapshotClassName"))
	errs = append(errs, validateName(p.CSISnapshotClassName, at.Child("csiSnapshotClassName"))...)
	if a, b := p.SnapshotClassName, p.CSISnapshotClassName; a != "" && b != "" && a != b {
		errs = append(errs, field.Invalid(at.Child("csiSnapshotClassName"), b, fmt.Sprintf("means the same as snapshotClassName, which is %s: leave one of them out", a)))
	}
	if p.SnapshotVolumes == nil || *p.SnapshotVolumes {
		return errs
	}
	const none = "has no effect when snapshotVolumes is false: leave one of them out"
	if p.SnapshotClassName != "" {
		errs = append(errs, field.Forbidden(at.Child("snapshotClassName"), none))
	}
	if p.CSISnapshotClassName != "" {
		errs = append(errs, field.Forbidden(at.Child("csiSnapshotClassName"), none))
	}
	if p.SnapshotMoveData != nil && *p.SnapshotMoveData {
		errs = append(errs, field.Forbidden(at.Child("snapshotMoveData"), none))
	}
	return errs
}

// validate finds what Velero would refuse, and everything by which a run could write into a namespace other than its own.
func (p *RestoreParameters) validate(at *field.Path, namespace string) field.ErrorList {
	var errs field.ErrorList
	if p.BackupName == "" {
		errs = append(errs, field.Required(at.Child("backupName"), "name the Backup to restore, such as the output backupName of the Operation that made it"))
	}
	errs = append(errs, validateName(p.BackupName, at.Child("backupName"))...)
	errs = append(errs, validateMapping(p.NamespaceMapping, namespace, at.Child("namespaceMapping"))...)
	switch p.ExistingResourcePolicy {
	case "", velerov1.PolicyTypeNone, velerov1.PolicyTypeUpdate:
	default:
		errs = append(errs, field.NotSupported(at.Child("existingResourcePolicy"), p.ExistingResourcePolicy,
			[]velerov1.PolicyType{velerov1.PolicyTypeNone, velerov1.PolicyTypeUpdate}))
	}
	errs = append(errs, validateResources(p.IncludedResources, p.ExcludedResources, p.reserved(), at)...)
	errs = append(errs, validateSelector(p.LabelSelector, at.Child("labelSelector"))...)
	return append(errs, validatePartialFailure(p.PartialFailure, at.Child("partialFailure"))...)
}

// validateMapping: the source is one namespace by its full name. Velero would take "*" for all, and restore every one of them, each into the
// namespace of its own name, and what is in no namespace as well.
func validateMapping(mapping map[string]string, namespace string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(mapping) > 1 {
		errs = append(errs, field.Invalid(at, field.OmitValueType{}, "must have one entry: a run restores one namespace; make an Operation for each"))
	}
	for _, from := range slices.Sorted(maps.Keys(mapping)) {
		if len(validation.IsDNS1123Label(from)) > 0 {
			errs = append(errs, field.Invalid(at, from, "must map one namespace, by its full name"))
		}
		if to := mapping[from]; to != namespace {
			errs = append(errs, field.Invalid(at.Key(from), to, fmt.Sprintf("must be %s, the Operation's namespace: a run writes into no other", namespace)))
		}
	}
	return errs
}

func validatePartialFailure(p PartialFailure, at *field.Path) field.ErrorList {
	switch p {
	case "", PartialFailureFail, PartialFailureAccept:
		return nil
	default:
		return field.ErrorList{field.NotSupported(at, p, []PartialFailure{PartialFailureFail, PartialFailureAccept})}
	}
}

// validateName of an object; empty is not set.
func validateName(name string, at *field.Path) field.ErrorList {
	if name == "" || len(apivalidation.NameIsDNSSubdomain(name, false)) == 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(at, name, "must be the name of an object: lower-case letters, digits, \"-\" and \".\", at most 253 characters")}
}

// validateDuration; empty is not set.
func validateDuration(value string, least time.Duration, at *field.Path) field.ErrorList {
	if value == "" {
		return nil
	}
	d, err := time.ParseDuration(value)
	switch {
	case err != nil:
		return field.ErrorList{field.Invalid(at, value, "must be a duration in hours, minutes or seconds, such as 720h (30 days) or 10m")}
	case d < least:
		return field.ErrorList{field.Invalid(at, value, fmt.Sprintf("must be at least %s; leave it out for Velero's default", least))}
	}
	return nil
}

// durationOf a value that was validated. Empty is zero, for which Velero takes its default.
func durationOf(value string) metav1.Duration {
	d, err := time.ParseDuration(value)
	if err != nil {
		return metav1.Duration{}
	}
	return metav1.Duration{Duration: d}
}

// validateResources by Velero's own rules, and ours on reserved kinds.
func validateResources(included, excluded, reserved []string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, name := range included {
		at := at.Child("includedResources").Index(i)
		switch {
		case strings.TrimSpace(name) != name || name == "":
			errs = append(errs, field.Invalid(at, name, "must be the plural name of a kind, such as deployments.apps"))
		case name == "*" && len(included) > 1:
			errs = append(errs, field.Invalid(at, name, "stands for all kinds, so it must stand alone"))
		case slices.Contains(reserved, name):
			errs = append(errs, field.Forbidden(at, name+" are left out of every such run: an old one must not come back over what is there now"))
		case slices.Contains(excluded, name):
			errs = append(errs, field.Invalid(at, name, "is in excludedResources as well"))
		}
	}
	for i, name := range excluded {
		if strings.TrimSpace(name) != name || name == "" || name == "*" {
			errs = append(errs, field.Invalid(at.Child("excludedResources").Index(i), name, "must be the plural name of a kind, such as events"))
		}
	}
	return errs
}

func validateSelector(s *metav1.LabelSelector, at *field.Path) field.ErrorList {
	return metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, at)
}

// validateOrder: Velero skips without a word what it does not find, such as a name with a space before it.
func validateOrder(order map[string]string, namespace string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, kind := range slices.Sorted(maps.Keys(order)) {
		for _, item := range strings.Split(order[kind], ",") {
			owner, name, namespaced := strings.Cut(item, "/")
			switch {
			case item == "" || strings.TrimSpace(item) != item || (namespaced && name == ""):
				errs = append(errs, field.Invalid(at.Key(kind), order[kind], "must be a list of NAMESPACE/NAME with commas between them and no spaces"))
			case namespaced && owner != namespace:
				errs = append(errs, field.Invalid(at.Key(kind), item, fmt.Sprintf("must be in %s, the Operation's namespace: a Backup covers no other", namespace)))
			}
		}
	}
	return errs
}
