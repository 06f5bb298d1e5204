// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestWaitsForAPerson(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := on(ns, "gated", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	play(t, widgetOf(t, op), map[string]any{"phase": "Held", "message": "resume me"})
	reaches(t, op, opsv1alpha1.PhaseRunning, "WidgetHeld")
	c := meta.FindStatusCondition(op.Status.Conditions, opsv1alpha1.ConditionBlocked)
	if !op.Status.Blocked || c == nil || c.Reason != opsv1alpha1.ReasonAwaitingResume || c.Status != "True" {
		t.Errorf("a run that waits for a person is not Blocked: %+v", op.Status)
	}
	if !meta.IsStatusConditionTrue(op.Status.Conditions, opsv1alpha1.ConditionRunning) {
		t.Error("a run that waits for a person is not Running")
	}
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	if op.Status.Blocked || meta.IsStatusConditionTrue(op.Status.Conditions, opsv1alpha1.ConditionBlocked) {
		t.Errorf("Blocked stays after the end: %+v", op.Status)
	}
}

// TestTimeoutCountsFromTheExecutorsStart: neither the time in a queue nor that before the executor began counts.
func TestTimeoutCountsFromTheExecutorsStart(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := on(ns, "queued", "web", opsv1alpha1.TypeBackup)
	op.Spec.Timeout = seconds(2)
	create(t, op)
	w := widgetOf(t, op)
	play(t, w, map[string]any{"phase": "Queued", "message": "one at a time"})
	reaches(t, op, opsv1alpha1.PhaseRunning, "WidgetQueued")
	eventually(t, func() string {
		if queued := time.Since(op.Status.StartedAt.Time); queued <= op.Spec.Timeout.Duration {
			return fmt.Sprintf("it has been queued for %s only", queued)
		}
		return ""
	})
	play(t, reload(t, w), map[string]any{"phase": "Queued", "message": "still"})
	eventually(t, func() string {
		if reload(t, op).Status.Progress != "still" {
			return "not looked at yet"
		}
		return ""
	})
	if op.Status.Phase != opsv1alpha1.PhaseRunning {
		t.Fatalf("the time in the queue was counted: %+v", op.Status)
	}
	play(t, reload(t, w), map[string]any{"phase": "Working", "began": time.Now().UTC().Format(time.RFC3339)})
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTimeout)
}

// TestSteps: each step is put in place after the one before has ended, and recorded, also when the agent dies in between.
func TestSteps(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := on(ns, "steps", "web", opsv1alpha1.TypeBackup)
	op.Spec.Parameters = parameters(t, `{"steps":3}`)
	create(t, op)
	for n := range 3 {
		eventually(t, func() string {
			if got := len(reload(t, op).Status.Resources); got != n+1 {
				return fmt.Sprintf("%d steps are recorded, want %d", got, n+1)
			}
			return ""
		})
		if n == 1 { // the next step is put in place, and the record of it is refused once
			refused := false
			faults.inject(t, ns, func(verb string, _ client.Object) error {
				if verb == "status" && !refused {
					refused = true
					return errors.New("the agent died")
				}
				return nil
			})
		}
		for i := range widgetsOf(t, op) {
			if w := widgetsOf(t, op)[i]; w.GetName() == op.Status.Resources[n].Name {
				play(t, &w, map[string]any{"phase": "Done"})
			}
		}
	}
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	faults.heal(ns)
	if n := len(widgetsOf(t, op)); n != 3 {
		t.Errorf("%d Widgets were made, want 3", n)
	}
}
