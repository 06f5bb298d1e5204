// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"slices"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Frozen is the Freeze that holds Operations of a type at a moment; nil when there is none. Of several it is the one that holds for longest, and of those
// the first by name, so that everybody names the same.
func Frozen(freezes []opsv1alpha1.Freeze, typ opsv1alpha1.OperationType, now time.Time) *opsv1alpha1.Freeze {
	var longest *opsv1alpha1.Freeze
	for i := range freezes {
		f := &freezes[i]
		if over(f, now) || len(f.Spec.Types) > 0 && !slices.Contains(f.Spec.Types, typ) {
			continue
		}
		if longest == nil || outlasts(f, longest) {
			longest = f
		}
	}
	return longest
}

func over(f *opsv1alpha1.Freeze, now time.Time) bool {
	return f.Spec.Until != nil && !now.Before(f.Spec.Until.Time)
}

func outlasts(f, other *opsv1alpha1.Freeze) bool {
	switch is, its := f.Spec.Until, other.Spec.Until; {
	case is == nil && its == nil, is != nil && its != nil && is.Equal(its):
		return f.Name < other.Name
	case is == nil || its == nil:
		return is == nil
	default:
		return its.Before(is)
	}
}
