// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestCancel(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	capable(t, ns, "stoppable", stoppableName)
	t.Run("not started", func(t *testing.T) {
		op := on(ns, "early", "nowhere", opsv1alpha1.TypeBackup)
		create(t, op)
		blockedFrom(t, op, opsv1alpha1.ReasonTargetNotFound)
		patch(t, op, func() { op.Spec.Cancel = true })
		reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
	})
	t.Run("stoppable", func(t *testing.T) {
		op := on(ns, "stopped", "stoppable", opsv1alpha1.TypeBackup)
		create(t, op)
		reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
		w := widgetOf(t, op)
		patch(t, op, func() { op.Spec.Cancel = true })
		collect(t, w)
		says(t, reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled), "cancelled: the Widget was deleted")
	})
	t.Run("not stoppable", func(t *testing.T) {
		op := on(ns, "stubborn", "web", opsv1alpha1.TypeBackup)
		create(t, op)
		reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
		patch(t, op, func() { op.Spec.Cancel = true })
		says(t, reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonUserCancelled), "cannot stop", "runs on")
		finish(t, op)
		says(t, reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled), opsv1alpha1.ReasonEngineCompleted)
	})
}

func TestTimeout(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	capable(t, ns, "stoppable", stoppableName)
	for target, words := range map[string][]string{"web": {"at it", "cannot stop", "runs on"}, "stoppable": {"at it", "the Widget was deleted"}} {
		op := on(ns, "on-"+target, target, opsv1alpha1.TypeBackup)
		op.Spec.Timeout = seconds(1)
		create(t, op)
		says(t, reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTimeout), append(words, "spec.timeout (1s)")...)
	}
}

func TestDeleteWhileRunning(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	capable(t, ns, "stoppable", stoppableName)
	t.Run("stoppable", func(t *testing.T) {
		op := on(ns, "stopped", "stoppable", opsv1alpha1.TypeBackup)
		create(t, op)
		reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
		w := widgetOf(t, op)
		if err := k8s.Delete(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonUserCancelled)
		collect(t, w)
		gone(t, op)
	})
	t.Run("not stoppable", func(t *testing.T) {
		op := on(ns, "stubborn", "web", opsv1alpha1.TypeBackup)
		create(t, op)
		reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
		if err := k8s.Delete(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		gone(t, op)
		eventually(t, func() string {
			var events eventsv1.EventList
			if err := k8s.List(t.Context(), &events, client.InNamespace(ns)); err != nil {
				return err.Error()
			}
			for _, e := range events.Items {
				if e.Reason == "ExecutorRunsOn" && e.Type == corev1.EventTypeWarning {
					return ""
				}
			}
			return "no Event says that the executor runs on"
		})
	})
}
