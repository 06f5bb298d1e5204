// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// set tells of a parameter by its name whether it was given.
type set struct {
	name  string
	given bool
}

// forbid refuses those that are given.
func forbid(at *field.Path, why string, sets []set) field.ErrorList {
	var errs field.ErrorList
	for _, s := range sets {
		if s.given {
			errs = append(errs, field.Forbidden(at.Child(s.name), why))
		}
	}
	return errs
}

// checkEnum lets through one of the values, and none.
func checkEnum[T ~string](value T, values []T, at *field.Path) field.ErrorList {
	if value == "" || slices.Contains(values, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(at, value, values)}
}

// checkName lets through the name of an object, and none.
func checkName(name string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if name == "" {
		return nil
	}
	for _, msg := range validation.IsDNS1123Subdomain(name) {
		errs = append(errs, field.Invalid(at, name, msg))
	}
	return errs
}

func checkAccessModes(modes []string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if modes != nil && len(modes) == 0 {
		errs = append(errs, field.Required(at, "name at least one mode, or leave accessModes out"))
	}
	for i, mode := range modes {
		if !slices.Contains(accessModes, corev1.PersistentVolumeAccessMode(mode)) {
			errs = append(errs, field.NotSupported(at.Index(i), corev1.PersistentVolumeAccessMode(mode), accessModes))
		}
	}
	return errs
}

// checkQuantity lets through a size, and none.
func checkQuantity(size string, at *field.Path) field.ErrorList {
	if size == "" {
		return nil
	}
	if q, err := resource.ParseQuantity(size); err != nil || q.Sign() <= 0 {
		return field.ErrorList{field.Invalid(at, size, "must be a size above 0, such as 20Gi")}
	}
	return nil
}

// sorted by field, so that the same mistakes are always told in the same words.
func sorted(errs field.ErrorList) field.ErrorList {
	slices.SortStableFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) })
	return errs
}
