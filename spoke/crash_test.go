// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// The agent may die between any two writes. Whatever it did not get to, the next visit finds out and there is one Widget in the end.
func TestCrashConverges(t *testing.T) {
	died := errors.New("the agent died here")
	for name, dies := range map[string]func(verb string, obj client.Object) bool{
		"before the fence": func(verb string, obj client.Object) bool { return verb == "status" && startsRun(obj) },
		"after the fence":  func(verb string, obj client.Object) bool { return verb == "after status" && startsRun(obj) },
		"before create": func(verb string, obj client.Object) bool {
			return verb == "create" && obj.GetObjectKind().GroupVersionKind().Kind == "Widget"
		},
		"after create": func(verb string, obj client.Object) bool {
			return verb == "after create" && obj.GetObjectKind().GroupVersionKind().Kind == "Widget"
		},
		"before the record": func(verb string, obj client.Object) bool { return verb == "status" && records(obj) },
		"after the record":  func(verb string, obj client.Object) bool { return verb == "after status" && records(obj) },
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			capable(t, ns, "web", widgetName)
			deaths := make(chan struct{}, 100)
			left := 3
			faults.inject(t, ns, func(verb string, obj client.Object) error {
				if left > 0 && dies(verb, obj) {
					left--
					deaths <- struct{}{}
					return died
				}
				return nil
			})
			defer faults.heal(ns)
			op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
			create(t, op)
			<-deaths
			reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
			finish(t, op)
			reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
			if n := len(widgetsOf(t, op)); n != 1 {
				t.Errorf("%d Widgets", n)
			}
		})
	}
}

func startsRun(obj client.Object) bool {
	op, ok := obj.(*opsv1alpha1.Operation)
	return ok && op.Status.Phase == opsv1alpha1.PhaseRunning && len(op.Status.Resources) == 0
}

func records(obj client.Object) bool {
	op, ok := obj.(*opsv1alpha1.Operation)
	return ok && len(op.Status.Resources) > 0
}

// Once recorded, nothing is created again: what is missing then is a lost result.
func TestResultLost(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
	if err := k8s.Delete(t.Context(), widgetOf(t, op)); err != nil {
		t.Fatal(err)
	}
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost)
	if n := len(widgetsOf(t, op)); n != 0 {
		t.Errorf("%d Widgets were made again", n)
	}
}
