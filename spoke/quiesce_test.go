// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// byWidgets are the annotations of a target whose quiesce is an engine of the tests.
func byWidgets(engine opsv1alpha1.OperationEngine) map[string]string {
	return map[string]string{
		opsv1alpha1.CapabilityQuiesce: string(engine), opsv1alpha1.AnnotationQuiesceParameters: "{}", opsv1alpha1.AnnotationUnquiesceParameters: "{}",
	}
}

// quiescible is a target that every type can be run on, by the engine that can be cancelled, and that advertises how it is quiesced.
func quiescible(t *testing.T, namespace string, annotations map[string]string) {
	t.Helper()
	ai := capable(t, namespace, "web", stoppableName)
	patch(t, ai, func() {
		for key, value := range annotations {
			ai.Annotations[key] = value
		}
	})
}

// quiescing is an Operation that asks for a quiesce.
func quiescing(t *testing.T, namespace, name string) *opsv1alpha1.Operation {
	t.Helper()
	op := on(namespace, name, "web", opsv1alpha1.TypeBackup)
	op.Spec.Parameters = parameters(t, `{"quiesce":true}`)
	return op
}

// stepsOf counts the Widgets of a run by its steps; the run itself is "".
func stepsOf(t *testing.T, op *opsv1alpha1.Operation) map[string]int {
	t.Helper()
	steps := map[string]int{}
	for _, w := range widgetsOf(t, op) {
		steps[w.GetLabels()[opsv1alpha1.LabelStep]]++
	}
	return steps
}

// widgetAs waits for the newest Widget of a step of a run.
func widgetAs(t *testing.T, op *opsv1alpha1.Operation, step quiesceStep, number int) *unstructured.Unstructured {
	t.Helper()
	var found *unstructured.Unstructured
	eventually(t, func() string {
		var of []unstructured.Unstructured
		for _, w := range widgetsOf(t, op) {
			if phase, _, _ := unstructured.NestedString(w.Object, "status", "phase"); w.GetLabels()[opsv1alpha1.LabelStep] == string(step) && phase == "" {
				of = append(of, w)
			}
		}
		if n := stepsOf(t, op)[string(step)]; len(of) != 1 || n != number {
			return fmt.Sprintf("%s has %d Widgets of step %q, %d of them unplayed: %s", op.Name, n, step, len(of), reload(t, op).Status.Message)
		}
		found = &of[0]
		return ""
	})
	return found
}

func done(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	play(t, u, map[string]any{"phase": "Done"})
}

func broken(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	play(t, u, map[string]any{"phase": "Broken", "message": "no such table"})
}

// TestQuiesceByEngine: before the run's own engine starts until after the run has ended, however it ends.
func TestQuiesceByEngine(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(t *testing.T, op *opsv1alpha1.Operation)
		phase  opsv1alpha1.OperationPhase
		reason string
	}{
		"succeeds": {func(t *testing.T, op *opsv1alpha1.Operation) { done(t, widgetAs(t, op, "", 1)) }, opsv1alpha1.PhaseSucceeded, ""},
		"fails":    {func(t *testing.T, op *opsv1alpha1.Operation) { broken(t, widgetAs(t, op, "", 1)) }, opsv1alpha1.PhaseFailed, "WidgetBroken"},
		"is cancelled": {func(t *testing.T, op *opsv1alpha1.Operation) {
			patch(t, op, func() { op.Spec.Cancel = true })
			collect(t, widgetAs(t, op, "", 1))
		}, opsv1alpha1.PhaseCancelled, ""},
		"times out": {func(t *testing.T, op *opsv1alpha1.Operation) {
			patch(t, op, func() { op.Spec.Timeout = seconds(1) })
			collect(t, widgetAs(t, op, "", 1))
		}, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTimeout},
		"loses its result": {func(t *testing.T, op *opsv1alpha1.Operation) {
			if err := k8s.Delete(t.Context(), widgetAs(t, op, "", 1)); err != nil {
				t.Fatal(err)
			}
		}, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost},
		"loses its target's annotations": {func(t *testing.T, op *opsv1alpha1.Operation) {
			ai := placeholder(op.Namespace, "web", "shop")
			patch(t, ai, func() { ai.Annotations = nil })
			done(t, widgetAs(t, op, "", 1))
		}, opsv1alpha1.PhaseSucceeded, ""},
		"loses its target": {func(t *testing.T, op *opsv1alpha1.Operation) {
			if err := k8s.Delete(t.Context(), placeholder(op.Namespace, "web", "shop")); err != nil {
				t.Fatal(err)
			}
			done(t, widgetAs(t, op, "", 1))
		}, opsv1alpha1.PhaseSucceeded, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			quiescible(t, ns, byWidgets(widgetName))
			op := quiescing(t, ns, "copy")
			create(t, op)
			w := widgetAs(t, op, stepQuiesce, 1)
			reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonPreparing)
			if n := stepsOf(t, op)[""]; n != 0 {
				t.Fatal("the run's engine was started before the application was quiesced")
			}
			done(t, w)
			widgetAs(t, op, "", 1)
			if n := stepsOf(t, op)[string(stepUnquiesce)]; n != 0 {
				t.Fatal("the application was woken up before the run had ended")
			}
			c.end(t, op)
			w = widgetAs(t, op, stepUnquiesce, 1)
			reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonPuttingBack)
			done(t, w)
			reaches(t, op, c.phase, c.reason)
			p := op.Status.Preparations
			if len(p) != 1 || p[0].State != opsv1alpha1.PreparationUndone || len(p[0].Resources) != 1 || len(p[0].UndoResources) != 1 || p[0].Message != "" {
				t.Errorf("preparations: %+v", p)
			}
			if len(op.Status.Resources) != 1 {
				t.Errorf("resources of the run: %+v", op.Status.Resources)
			}
		})
	}
}

func TestQuiesceInSteps(t *testing.T) {
	ns := gatedNamespace(t)
	annotations := byWidgets(widgetName)
	annotations[opsv1alpha1.AnnotationQuiesceParameters] = `{"steps":2}`
	quiescible(t, ns, annotations)
	op := quiescing(t, ns, "copy")
	create(t, op)
	done(t, widgetAs(t, op, stepQuiesce, 1))
	w := widgetAs(t, op, stepQuiesce, 2)
	if n := stepsOf(t, op)[""]; n != 0 {
		t.Error("the run's engine was started before the second step")
	}
	done(t, w)
	done(t, widgetAs(t, op, "", 1))
	done(t, widgetAs(t, op, stepUnquiesce, 1))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestQuiesceFails: nothing is run, and the application is woken up all the same.
func TestQuiesceFails(t *testing.T) {
	ns := gatedNamespace(t)
	quiescible(t, ns, byWidgets(widgetName))
	op := quiescing(t, ns, "copy")
	create(t, op)
	broken(t, widgetAs(t, op, stepQuiesce, 1))
	done(t, widgetAs(t, op, stepUnquiesce, 1))
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonQuiesceFailed)
	says(t, op, "nothing was applied", "no such table", "WidgetBroken")
	if n := stepsOf(t, op)[""]; n != 0 {
		t.Error("the run's engine was started")
	}
}

// TestQuiesceWithFaults: the agent dies between any two of its writes, and each step is made once.
func TestQuiesceWithFaults(t *testing.T) {
	ns := gatedNamespace(t)
	quiescible(t, ns, byWidgets(widgetName))
	seen := map[string]bool{}
	faults.inject(t, ns, func(verb string, obj client.Object) error {
		// Every create is followed by a failure, and so is every status that brings something new: the first time.
		what := verb + obj.GetLabels()[opsv1alpha1.LabelStep]
		if op, ok := obj.(*opsv1alpha1.Operation); ok && verb == "status" {
			what += string(op.Status.Phase) + op.Status.Reason + fmt.Sprint(len(op.Status.Preparations))
			for _, p := range op.Status.Preparations {
				what += string(p.State) + fmt.Sprint(len(p.Resources), len(p.UndoResources))
			}
		}
		if verb != "after create" && verb != "status" || seen[what] {
			return nil
		}
		seen[what] = true
		return errors.New("the agent died")
	})
	op := quiescing(t, ns, "copy")
	create(t, op)
	done(t, widgetAs(t, op, stepQuiesce, 1))
	done(t, widgetAs(t, op, "", 1))
	done(t, widgetAs(t, op, stepUnquiesce, 1))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	faults.heal(ns)
	if len(seen) < 8 {
		t.Errorf("only these writes failed: %v", seen)
	}
	if p := op.Status.Preparations[0]; len(p.Resources) != 1 || len(p.UndoResources) != 1 {
		t.Errorf("recorded: %+v", p)
	}
}

// TestStartDeadlineIsNotTheQuiesces: it counts from the first error on, however long the quiesce has taken.
func TestStartDeadlineIsNotTheQuiesces(t *testing.T) {
	for name, c := range map[string]struct {
		errs   int
		phase  opsv1alpha1.OperationPhase
		reason string
	}{
		"one error":    {1, opsv1alpha1.PhaseSucceeded, ""},
		"all the time": {math.MaxInt, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonEngineFailed},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			quiescible(t, ns, byWidgets(widgetName))
			op := quiescing(t, ns, "copy")
			op.Spec.StartDeadline = seconds(2)
			create(t, op)
			w := widgetAs(t, op, stepQuiesce, 1)
			eventually(t, func() string {
				long := metav1.NewTime(reload(t, op).Status.StartedAt.Add(-time.Hour))
				op.Status.StartedAt = &long
				if err := k8s.Status().Update(t.Context(), op); err != nil {
					return err.Error()
				}
				return ""
			})
			errs := 0
			faults.inject(t, ns, func(verb string, obj client.Object) error {
				if verb == "create" && obj.GetLabels()[opsv1alpha1.LabelStep] == "" && errs < c.errs {
					errs++
					return errors.New("the API server is busy")
				}
				return nil
			})
			defer faults.heal(ns)
			done(t, w)
			if c.errs == 1 {
				done(t, widgetAs(t, op, "", 1))
			}
			done(t, widgetAs(t, op, stepUnquiesce, 1))
			reaches(t, op, c.phase, c.reason)
			faults.heal(ns)
			if errs == 0 || op.Status.FailingSince != nil {
				t.Errorf("%d errors; failing since %s", errs, op.Status.FailingSince)
			}
		})
	}
}

// TestQuiesceUnrecorded: a quiesce that was made and not recorded before the run was cancelled is stopped, too.
func TestQuiesceUnrecorded(t *testing.T) {
	ns := gatedNamespace(t)
	quiescible(t, ns, byWidgets(stoppableName))
	faults.inject(t, ns, func(verb string, obj client.Object) error {
		op, ok := obj.(*opsv1alpha1.Operation)
		if ok && verb == "status" && len(op.Status.Preparations) > 0 && len(op.Status.Preparations[0].Resources) > 0 {
			return errors.New("the agent died")
		}
		return nil
	})
	op := quiescing(t, ns, "copy")
	create(t, op)
	w := widgetAs(t, op, stepQuiesce, 1)
	patch(t, op, func() { op.Spec.Cancel = true })
	eventually(t, func() string {
		if p := reload(t, op).Status.Preparations; len(p) == 0 || p[0].Message == "" {
			return "nothing is being put back"
		}
		return ""
	})
	if n := stepsOf(t, op)[string(stepUnquiesce)]; n != 0 || len(op.Status.Preparations[0].Resources) > 0 {
		t.Errorf("woken up %d times; preparations %+v", n, op.Status.Preparations)
	}
	collect(t, w)
	done(t, widgetAs(t, op, stepUnquiesce, 1))
	reaches(t, op, opsv1alpha1.PhaseCancelled, "")
	faults.heal(ns)
}

// TestQuiesceAlone: two Backups run beside each other, and two that quiesce do not.
func TestQuiesceAlone(t *testing.T) {
	ns := gatedNamespace(t)
	quiescible(t, ns, byWidgets(widgetName))
	first, second := quiescing(t, ns, "first"), quiescing(t, ns, "second")
	create(t, first)
	w := widgetAs(t, first, stepQuiesce, 1)
	create(t, second)
	blockedFrom(t, second, opsv1alpha1.ReasonConflictingOperation)
	plain := on(ns, "plain", "web", opsv1alpha1.TypeBackup)
	create(t, plain)
	finish(t, plain)
	done(t, w)
	done(t, widgetAs(t, first, "", 1))
	done(t, widgetAs(t, first, stepUnquiesce, 1))
	reaches(t, first, opsv1alpha1.PhaseSucceeded, "")
	widgetAs(t, second, stepQuiesce, 1)
}

func with(m map[string]string, key, value string) map[string]string {
	m[key] = value
	return m
}

// allow does what the message of a Blocked Operation tells an administrator to do.
func allow(t *testing.T, namespace, resource string, verbs ...string) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "vworkspace-quiesce"}
	create(t, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{resource}, Verbs: verbs}}})
	create(t, &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "system:serviceaccount:vworkspace-agent:vworkspace-agent"}},
	})
}
