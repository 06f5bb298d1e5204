// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
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
	op.Spec.Timeout = seconds(5)
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

// TestReminds: an executor is reminded of what it has forgotten, as often as its engine asks for it and also for a run that is being cancelled. It is no part of
// the run: nothing is recorded, and where it is refused the run stays as it is and is tried again.
func TestReminds(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	rights := rbacv1.PolicyRule{APIGroups: []string{"test.vworkspace.io"}, Resources: []string{"widgets"}, Verbs: []string{"create"}}
	role := narrow(t, ns, string(widgetName), rights)
	op := on(ns, "forgotten", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	w := widgetOf(t, op)
	reminded := func(word string) {
		t.Helper()
		eventually(t, func() string {
			if got := reload(t, w).GetAnnotations()[remindedAnnotation]; got != word {
				return fmt.Sprintf("reminded %q, want %q", got, word)
			}
			return ""
		})
	}
	play(t, w, map[string]any{"phase": "Forgotten", "message": "once"})
	eventually(t, func() string {
		if reload(t, op).Status.FailingSince == nil {
			return "it was not refused"
		}
		return ""
	})
	reaches(t, op, opsv1alpha1.PhaseRunning, "WidgetForgotten")
	patch(t, role, func() { role.Rules[0].Verbs = append(role.Rules[0].Verbs, "patch") })
	reminded("once")
	play(t, reload(t, w), map[string]any{"phase": "Forgotten", "message": "twice"})
	reminded("twice")

	patch(t, op, func() { op.Spec.Cancel = true })
	play(t, reload(t, w), map[string]any{"phase": "Forgotten", "message": "thrice"})
	reminded("thrice")
	if got := len(reload(t, op).Status.Resources); got != 1 {
		t.Errorf("%d objects are on record, want the Widget alone", got)
	}
	play(t, reload(t, w), map[string]any{"phase": "Done"})
	reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
}

// silenced lets nobody tell how a run stands, and waits until the agent has noticed.
func silenced(t *testing.T, op *opsv1alpha1.Operation) *unstructured.Unstructured {
	t.Helper()
	w := widgetOf(t, op)
	play(t, w, map[string]any{"phase": "Unreadable", "message": "the API server is busy"})
	eventually(t, func() string {
		if reload(t, op).Status.FailingSince == nil {
			return "nothing has failed yet"
		}
		return ""
	})
	return w
}

// TestTimeoutWithoutAWord: a run that nobody can tell anything about ends, too, and is cancelled if a person wants that.
func TestTimeoutWithoutAWord(t *testing.T) {
	agentClock.resetAfter(t)
	ns := gatedNamespace(t)
	capable(t, ns, "web", stoppableName)
	t.Run("times out", func(t *testing.T) {
		op := on(ns, "silent", "web", opsv1alpha1.TypeBackup)
		create(t, op)
		silenced(t, op)
		patch(t, op, func() { op.Spec.Timeout = seconds(1) })
		reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTimeout)
		says(t, op, "nobody can tell how it stands: observe: the API server is busy", "the Widget was deleted")
	})
	t.Run("has ended before it was cancelled", func(t *testing.T) {
		op := on(ns, "late", "web", opsv1alpha1.TypeBackup)
		create(t, op)
		w := silenced(t, op)
		patch(t, op, func() { op.Spec.Cancel = true })
		play(t, reload(t, w), map[string]any{"phase": "Done"})
		reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	})
	t.Run("is cancelled", func(t *testing.T) {
		op := on(ns, "unwanted", "web", opsv1alpha1.TypeBackup)
		create(t, op)
		w := silenced(t, op)
		agentClock.forward(stopGrace)
		patch(t, op, func() { op.Spec.Cancel = true })
		collect(t, w)
		says(t, reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled), "the Widget was deleted")
	})
}

// TestOneErrorIsNoTimeout: not even when spec.timeout has gone by since the start, in the executor's queue.
func TestOneErrorIsNoTimeout(t *testing.T) {
	agentClock.resetAfter(t)
	ns := gatedNamespace(t)
	capable(t, ns, "web", stoppableName)
	op := on(ns, "queued", "web", opsv1alpha1.TypeBackup)
	op.Spec.Timeout = seconds(3600)
	create(t, op)
	play(t, widgetOf(t, op), map[string]any{"phase": "Queued", "message": "one at a time"})
	reaches(t, op, opsv1alpha1.PhaseRunning, "WidgetQueued")
	agentClock.forward(2 * time.Hour)
	w := silenced(t, op)
	play(t, reload(t, w), map[string]any{"phase": "Queued", "message": "still"})
	eventually(t, func() string {
		if reload(t, op).Status.Progress != "still" || op.Status.FailingSince != nil {
			return "not looked at yet"
		}
		return ""
	})
	if op.Status.Phase != opsv1alpha1.PhaseRunning {
		t.Errorf("one error ended it: %+v", op.Status)
	}
}

// TestStoppingIsBounded: by spec.timeout, when an executor was told to stop and does not, and when it cannot be told.
func TestStoppingIsBounded(t *testing.T) {
	agentClock.resetAfter(t)
	for name, c := range map[string]struct {
		deaf   bool
		cancel bool
		phase  opsv1alpha1.OperationPhase
		reason string
		says   []string
	}{
		"told":             {false, true, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, []string{"the Widget was deleted; the executor has not stopped within spec.timeout (1h0m0s)"}},
		"cannot be told":   {true, true, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, []string{"could not be stopped, and may run on", "forbidden"}},
		"is not cancelled": {true, false, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTimeout, []string{"not done within spec.timeout", "could not be stopped, and may run on", "forbidden"}},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			capable(t, ns, "web", stoppableName)
			if c.deaf {
				faults.inject(t, ns, func(verb string, _ client.Object) error {
					if verb == "delete" {
						return errors.New("forbidden")
					}
					return nil
				})
				defer faults.heal(ns)
			}
			op := on(ns, "deaf", "web", opsv1alpha1.TypeBackup)
			op.Spec.Timeout = seconds(3600)
			create(t, op)
			w := widgetOf(t, op)
			reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
			patch(t, op, func() { op.Spec.Cancel = c.cancel })
			if c.cancel && !c.deaf {
				reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonUserCancelled)
			}
			agentClock.forward(time.Hour)
			play(t, reload(t, w), map[string]any{"phase": "Working"}) // the agent looks again
			if c.deaf {
				eventually(t, func() string {
					if reload(t, op).Status.FailingSince == nil && !op.Status.Phase.Terminal() {
						return "nothing has failed yet"
					}
					return ""
				})
				agentClock.forward(stopGrace)
			}
			says(t, reaches(t, op, c.phase, c.reason), c.says...)
		})
	}
}

// TestStoppingTheUnrecordedIsBounded: by the start deadline, as nothing says that the run has started.
func TestStoppingTheUnrecordedIsBounded(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", stoppableName)
	faults.inject(t, ns, func(verb string, obj client.Object) error {
		if verb == "delete" || verb == "status" && records(obj) {
			return errors.New("forbidden")
		}
		return nil
	})
	defer faults.heal(ns)
	op := on(ns, "lost", "web", opsv1alpha1.TypeBackup)
	op.Spec.StartDeadline = seconds(1)
	create(t, op)
	widgetOf(t, op)
	patch(t, op, func() { op.Spec.Cancel = true })
	says(t, reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled), "before anything was recorded", "could not be stopped, and may run on", "forbidden")
}

// TestLostWhileCancelled: whoever stopped it died before it could say so. What is missing then was taken away by the cancel.
func TestLostWhileCancelled(t *testing.T) {
	for _, cancel := range []bool{false, true} {
		op := on("apps", "op", "web", opsv1alpha1.TypeBackup)
		op.Spec.Cancel = cancel
		op.Status.Phase, op.Status.Reason = opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning
		v := newVisit(&site{}, op, clock.RealClock{})
		v.conclude(engines.Lost("Job", "op"))
		want := opsv1alpha1.PhaseFailed
		if cancel {
			want = opsv1alpha1.PhaseCancelled
		}
		if op.Status.Phase != want {
			t.Errorf("cancel %v: %s/%s", cancel, op.Status.Phase, op.Status.Reason)
		}
	}
}
