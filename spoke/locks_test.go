// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestConflictingOperations(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	capable(t, ns, "other", widgetName)
	first := on(ns, "first", "web", opsv1alpha1.TypeUpgrade)
	create(t, first)
	w := widgetOf(t, first)
	second := on(ns, "second", "web", opsv1alpha1.TypeUpgrade)
	second.Spec.StartDeadline = seconds(1)
	beside := on(ns, "beside", "web", opsv1alpha1.TypeRunCommand)
	elsewhere := on(ns, "elsewhere", "other", opsv1alpha1.TypeUpgrade)
	for _, op := range []*opsv1alpha1.Operation{second, beside, elsewhere} {
		create(t, op)
	}
	widgetOf(t, beside)
	widgetOf(t, elsewhere)
	says(t, blockedFrom(t, second, opsv1alpha1.ReasonConflictingOperation), "Upgrade first", "is running")
	play(t, w, map[string]any{"phase": "Broken", "message": "no"})
	reaches(t, first, opsv1alpha1.PhaseFailed, "WidgetBroken")
	finish(t, second)
	reaches(t, second, opsv1alpha1.PhaseSucceeded, "")
}

// Many Upgrades at once run one after the other, in the order of creation and UID, and all of them end.
func TestConflictsNeverRunTogether(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	var ops []*opsv1alpha1.Operation
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		op := on(ns, name, "web", opsv1alpha1.TypeUpgrade)
		create(t, op)
		ops = append(ops, op)
	}
	for range ops {
		var running *opsv1alpha1.Operation
		eventually(t, func() string {
			n := 0
			for _, op := range ops {
				if reload(t, op).Status.Phase == opsv1alpha1.PhaseRunning {
					n++
					running = op
				}
			}
			if n > 1 {
				t.Fatalf("%d Upgrades run at once", n)
			}
			if n == 0 {
				return "none runs"
			}
			return ""
		})
		finish(t, running)
		reaches(t, running, opsv1alpha1.PhaseSucceeded, "")
	}
}
