// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// conflicts lists, per type, the types that never run beside it on one target. RunCommand and Runbook run beside everything. Two Restores, and two Migrations,
// would overwrite each other's data.
var conflicts = map[opsv1alpha1.OperationType][]opsv1alpha1.OperationType{
	opsv1alpha1.TypeUpgrade:   {opsv1alpha1.TypeUpgrade, opsv1alpha1.TypeRestore, opsv1alpha1.TypeMigration},
	opsv1alpha1.TypeRestore:   {opsv1alpha1.TypeUpgrade, opsv1alpha1.TypeRestore, opsv1alpha1.TypeMigration, opsv1alpha1.TypeBackup},
	opsv1alpha1.TypeMigration: {opsv1alpha1.TypeUpgrade, opsv1alpha1.TypeRestore, opsv1alpha1.TypeMigration},
	opsv1alpha1.TypeBackup:    {opsv1alpha1.TypeRestore},
}

// Conflict tells whether Operations of two types never run beside each other on one target.
func Conflict(a, b opsv1alpha1.OperationType) bool { return slices.Contains(conflicts[a], b) }

// InOrder tells whether the order of two conflicting types decides what a target is left as, so that of two fleet Operations one goes first on each cluster.
// With a Backup it does not: whatever waits, waits on the one target that the other is at work on.
func InOrder(a, b opsv1alpha1.OperationType) bool {
	return a != opsv1alpha1.TypeBackup && b != opsv1alpha1.TypeBackup && Conflict(a, b)
}

// Meet tells whether two selectors may pick the same instance. It errs on the side of yes: only names, namespaces and labels that exclude each other are no.
func Meet(a, b opsv1alpha1.InstanceSelector) bool {
	return common(a.Namespaces, b.Namespaces) && common(a.Names, b.Names) && alike(a.LabelSelector, b.LabelSelector)
}

// common tells whether two lists, of which an empty one does not restrict, have something in common.
func common(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

func alike(a, b *metav1.LabelSelector) bool {
	if a == nil || b == nil {
		return true
	}
	for key, value := range a.MatchLabels {
		if other, both := b.MatchLabels[key]; both && other != value {
			return false
		}
	}
	return true
}
