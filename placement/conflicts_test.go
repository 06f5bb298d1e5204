// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestConflict: the matrix is the same from either side, and holds what DESIGN.md says.
func TestConflict(t *testing.T) {
	all := opsv1alpha1.OperationTypes()
	for _, a := range all {
		for _, b := range all {
			if Conflict(a, b) != Conflict(b, a) || InOrder(a, b) != InOrder(b, a) || InOrder(a, b) && !Conflict(a, b) {
				t.Errorf("%s and %s are not the same as %s and %s", a, b, b, a)
			}
			free := a == opsv1alpha1.TypeRunCommand || a == opsv1alpha1.TypeRunbook
			if free && Conflict(a, b) {
				t.Errorf("%s runs beside everything, and not beside %s", a, b)
			}
		}
	}
	for _, pair := range [][2]opsv1alpha1.OperationType{{"Upgrade", "Upgrade"}, {"Upgrade", "Restore"}, {"Upgrade", "Migration"}, {"Restore", "Backup"}, {"Migration", "Restore"}} {
		if !Conflict(pair[0], pair[1]) {
			t.Errorf("%s runs beside %s", pair[0], pair[1])
		}
	}
	if Conflict(opsv1alpha1.TypeBackup, opsv1alpha1.TypeBackup) || Conflict(opsv1alpha1.TypeBackup, opsv1alpha1.TypeUpgrade) || InOrder(opsv1alpha1.TypeBackup, opsv1alpha1.TypeRestore) {
		t.Error("a Backup waits for too much")
	}
}

func TestMeet(t *testing.T) {
	labels := func(kv ...string) *metav1.LabelSelector {
		s := &metav1.LabelSelector{MatchLabels: map[string]string{}}
		for i := 0; i < len(kv); i += 2 {
			s.MatchLabels[kv[i]] = kv[i+1]
		}
		return s
	}
	for name, tc := range map[string]struct {
		a, b opsv1alpha1.InstanceSelector
		want bool
	}{
		"all":                   {want: true},
		"another name":          {opsv1alpha1.InstanceSelector{Names: []string{"a", "b"}}, opsv1alpha1.InstanceSelector{Names: []string{"c"}}, false},
		"a name in common":      {opsv1alpha1.InstanceSelector{Names: []string{"a", "b"}}, opsv1alpha1.InstanceSelector{Names: []string{"b"}}, true},
		"all of a kind and one": {opsv1alpha1.InstanceSelector{Names: []string{"a"}}, opsv1alpha1.InstanceSelector{LabelSelector: labels("app", "shop")}, true},
		"another namespace":     {opsv1alpha1.InstanceSelector{Namespaces: []string{"x"}}, opsv1alpha1.InstanceSelector{Namespaces: []string{"y"}}, false},
		"another app":           {opsv1alpha1.InstanceSelector{LabelSelector: labels("app", "shop")}, opsv1alpha1.InstanceSelector{LabelSelector: labels("app", "wiki")}, false},
		"other labels":          {opsv1alpha1.InstanceSelector{LabelSelector: labels("app", "shop")}, opsv1alpha1.InstanceSelector{LabelSelector: labels("tier", "web")}, true},
	} {
		if got := Meet(tc.a, tc.b); got != tc.want || Meet(tc.b, tc.a) != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
