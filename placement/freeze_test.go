// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestFrozen(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	freeze := func(name string, until time.Duration, types ...opsv1alpha1.OperationType) opsv1alpha1.Freeze {
		f := opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: opsv1alpha1.FreezeSpec{Reason: "x", Types: types}}
		if until != 0 {
			f.Spec.Until = &metav1.Time{Time: now.Add(until)}
		}
		return f
	}
	for name, c := range map[string]struct {
		freezes []opsv1alpha1.Freeze
		want    string
	}{
		"none":                        {nil, ""},
		"all types":                   {[]opsv1alpha1.Freeze{freeze("a", 0)}, "a"},
		"this type":                   {[]opsv1alpha1.Freeze{freeze("a", 0, opsv1alpha1.TypeBackup, opsv1alpha1.TypeUpgrade)}, "a"},
		"another type":                {[]opsv1alpha1.Freeze{freeze("a", 0, opsv1alpha1.TypeBackup)}, ""},
		"until later":                 {[]opsv1alpha1.Freeze{freeze("a", time.Second)}, "a"},
		"its last moment is over":     {[]opsv1alpha1.Freeze{freeze("a", -time.Nanosecond), freeze("b", -time.Hour)}, ""},
		"the longest, without an end": {[]opsv1alpha1.Freeze{freeze("a", time.Hour), freeze("c", 0), freeze("b", 0)}, "b"},
		"the longest, with one":       {[]opsv1alpha1.Freeze{freeze("a", time.Hour), freeze("c", 2*time.Hour), freeze("b", 2*time.Hour)}, "b"},
	} {
		got := ""
		if f := Frozen(c.freezes, opsv1alpha1.TypeUpgrade, now); f != nil {
			got = f.Name
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
