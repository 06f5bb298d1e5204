// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
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

// TestQuiesceStopped: a quiesce that is given up, by a person or by its time, is stopped before the application is woken up.
func TestQuiesceStopped(t *testing.T) {
	for name, c := range map[string]struct {
		timeout string
		cancel  bool
		away    time.Duration
		phase   opsv1alpha1.OperationPhase
		reason  string
	}{
		"cancelled":        {"", true, 0, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled},
		"too long":         {"1s", false, 0, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonQuiesceFailed},
		"after an absence": {"", true, stopGrace + time.Minute, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			annotations := byWidgets(stoppableName)
			if c.timeout != "" {
				annotations[opsv1alpha1.AnnotationQuiesceTimeout] = c.timeout
			}
			quiescible(t, ns, annotations)
			op := quiescing(t, ns, "copy")
			create(t, op)
			w := widgetAs(t, op, stepQuiesce, 1)
			cancel := func() { patch(t, op, func() { op.Spec.Cancel = c.cancel }) }
			if c.away > 0 {
				away(t, op, c.away, cancel)
			} else {
				cancel()
			}
			eventually(t, func() string {
				if reload(t, w); w.GetDeletionTimestamp() == nil {
					return "the quiesce was not stopped"
				}
				return ""
			})
			reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonPuttingBack)
			if n := stepsOf(t, op)[string(stepUnquiesce)]; n != 0 {
				t.Error("the application was woken up while it was still being quiesced")
			}
			collect(t, w)
			done(t, widgetAs(t, op, stepUnquiesce, 1))
			reaches(t, op, c.phase, c.reason)
		})
	}
}

// TestQuiesceOfASnapshotCancelled: engine volsync takes a VolumeSnapshot without VolSync, and the cancellation does not ask for VolSync's kinds.
func TestQuiesceOfASnapshotCancelled(t *testing.T) {
	ns := gatedNamespace(t)
	quiescible(t, ns, with(byWidgets(stoppableName), opsv1alpha1.TypeBackup.Capability(), string(opsv1alpha1.EngineVolsync)))
	create(t, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
	}})
	op := quiescing(t, ns, "copy")
	op.Spec.Parameters = parameters(t, `{"quiesce":true,"method":"snapshot","pvc":"data"}`)
	create(t, op)
	w := widgetAs(t, op, stepQuiesce, 1)
	patch(t, op, func() { op.Spec.Cancel = true })
	collect(t, w)
	done(t, widgetAs(t, op, stepUnquiesce, 1))
	reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
	says(t, op, "VolumeSnapshot "+opsv1alpha1.RunName(op.Name, op.UID), "is not deleted")
}

func TestQuiesceOfADeletedOperation(t *testing.T) {
	ns := gatedNamespace(t)
	quiescible(t, ns, byWidgets(widgetName))
	op := quiescing(t, ns, "copy")
	create(t, op)
	done(t, widgetAs(t, op, stepQuiesce, 1))
	w := widgetAs(t, op, "", 1)
	if err := k8s.Delete(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	collect(t, w)
	done(t, widgetAs(t, op, stepUnquiesce, 1))
	gone(t, op)
}

func TestUnquiesceFails(t *testing.T) {
	ns := gatedNamespace(t)
	quiescible(t, ns, byWidgets(widgetName))
	op := quiescing(t, ns, "copy")
	create(t, op)
	done(t, widgetAs(t, op, stepQuiesce, 1))
	done(t, widgetAs(t, op, "", 1))
	broken(t, widgetAs(t, op, stepUnquiesce, 1))
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNotPutBack)
	says(t, op, "Quiesce was not put back", "no such table", "the run itself ended as Succeeded")
}

// TestQuiesceOfADeletedTarget: what was begun is stopped and put back, and what was not is not.
func TestQuiesceOfADeletedTarget(t *testing.T) {
	deleteTarget := func(t *testing.T, ns string) {
		t.Helper()
		ai := placeholder(ns, "web", "shop")
		if err := k8s.Delete(t.Context(), ai); err != nil {
			t.Fatal(err)
		}
		gone(t, ai)
	}
	t.Run("before the quiesce", func(t *testing.T) {
		ns := gatedNamespace(t)
		quiescible(t, ns, byWidgets(stoppableName))
		faults.inject(t, ns, func(verb string, obj client.Object) error {
			// The agent dies until it begins the quiesce of nothing.
			if op, ok := obj.(*opsv1alpha1.Operation); ok && verb == "status" && len(op.Status.Preparations) > 0 && op.Status.Preparations[0].Settings != nil {
				return errors.New("the agent died")
			}
			return nil
		})
		defer faults.heal(ns)
		op := quiescing(t, ns, "copy")
		create(t, op)
		reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineStarted)
		deleteTarget(t, ns)
		reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTargetNotFound)
		if n := len(widgetsOf(t, op)); n != 0 {
			t.Errorf("%d Widgets were made", n)
		}
	})
	t.Run("during the quiesce", func(t *testing.T) {
		ns := gatedNamespace(t)
		quiescible(t, ns, byWidgets(stoppableName))
		op := quiescing(t, ns, "copy")
		create(t, op)
		w := widgetAs(t, op, stepQuiesce, 1)
		deleteTarget(t, ns)
		reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonPuttingBack)
		eventually(t, func() string {
			if reload(t, w); w.GetDeletionTimestamp() == nil {
				return "the quiesce was not stopped"
			}
			return ""
		})
		if n := stepsOf(t, op)[string(stepUnquiesce)]; n != 0 {
			t.Error("the application was woken up while it was still being quiesced")
		}
		collect(t, w)
		done(t, widgetAs(t, op, stepUnquiesce, 1))
		reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTargetNotFound)
	})
}

// TestUnquiesceBlocked: what comes in the way during the run is waited for, as nothing was started yet.
func TestUnquiesceBlocked(t *testing.T) {
	ns := gatedNamespace(t)
	quiescible(t, ns, with(byWidgets(widgetName), opsv1alpha1.AnnotationUnquiesceParameters, `{"blockedBy":"obstacle"}`))
	op := quiescing(t, ns, "copy")
	create(t, op)
	done(t, widgetAs(t, op, stepQuiesce, 1))
	obstacle := testKind("Widget")
	obstacle.SetNamespace(ns)
	obstacle.SetName("obstacle")
	create(t, obstacle)
	done(t, widgetAs(t, op, "", 1))
	eventually(t, func() string {
		if p := reload(t, op).Status.Preparations[0]; !strings.Contains(p.Message, "cannot be started yet (FieldConflict): the executor is taken") {
			return fmt.Sprintf("%s: %+v", op.Status.Phase, p)
		}
		return ""
	})
	if op.Status.Phase.Terminal() {
		t.Errorf("ended as %s: %s", op.Status.Phase, op.Status.Message)
	}
	if err := k8s.Delete(t.Context(), obstacle); err != nil {
		t.Fatal(err)
	}
	done(t, widgetAs(t, op, stepUnquiesce, 1))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestUnquiesceByEngineAfterAnAbsence: what the agent begins when it is back has all of undoDeadline, too.
func TestUnquiesceByEngineAfterAnAbsence(t *testing.T) {
	ns := gatedNamespace(t)
	quiescible(t, ns, byWidgets(widgetName))
	op := quiescing(t, ns, "copy")
	create(t, op)
	done(t, widgetAs(t, op, stepQuiesce, 1))
	w := widgetAs(t, op, "", 1)
	away(t, op, 2*undoDeadline, func() { done(t, w) })
	done(t, widgetAs(t, op, stepUnquiesce, 1))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
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

func TestQuiesceIsRefused(t *testing.T) {
	ns := gatedNamespace(t)
	quiescible(t, ns, byWidgets(widgetName))
	for typ, raw := range map[opsv1alpha1.OperationType]string{
		opsv1alpha1.TypeRestore: `{"quiesce":true}`, opsv1alpha1.TypeUpgrade: `{"quiesce":true}`, opsv1alpha1.TypeBackup: `{"quiesce":"yes"}`,
	} {
		op := on(ns, strings.ToLower(string(typ)), "web", typ)
		op.Spec.Parameters = parameters(t, raw)
		create(t, op)
		reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed)
		says(t, op, "spec.parameters.quiesce")
	}
	op := on(ns, "asks-not", "web", opsv1alpha1.TypeRestore)
	op.Spec.Parameters = parameters(t, `{"quiesce":false}`)
	create(t, op)
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestQuiesceBlocked: each message names the annotation and the fix, and the run starts by itself when that is mended.
func TestQuiesceBlocked(t *testing.T) {
	command := map[string]string{
		opsv1alpha1.CapabilityQuiesce: opsv1alpha1.QuiesceExec, opsv1alpha1.AnnotationQuiescePods: "app=web",
		opsv1alpha1.AnnotationQuiesceCommand: `["on"]`, opsv1alpha1.AnnotationUnquiesceCommand: `["off"]`,
	}
	for name, c := range map[string]struct {
		annotations map[string]string
		reason      string
		says        []string
	}{
		"not advertised": {nil, opsv1alpha1.ReasonCapabilityMissing, []string{"ops.vworkspace.io/quiesce is missing", "leave the parameter out"}},
		"unknown engine": {map[string]string{opsv1alpha1.CapabilityQuiesce: "tape"}, opsv1alpha1.ReasonCapabilityMissing,
			[]string{`"tape"`, "job", "workflow"}},
		"misspelt": {map[string]string{opsv1alpha1.CapabilityQuiesce: "exec", "ops.vworkspace.io/quiesce-comand": "[]"},
			opsv1alpha1.ReasonCapabilityMissing, []string{"ops.vworkspace.io/quiesce-comand is unknown"}},
		"engine without its kind": {byWidgets(lateName), opsv1alpha1.ReasonEngineNotInstalled, []string{"Gadget", "quiesce"}},
		"engine refuses the parameters": {with(byWidgets(widgetName), opsv1alpha1.AnnotationUnquiesceParameters, `{"bsy":true}`),
			opsv1alpha1.ReasonCapabilityMissing, []string{"ops.vworkspace.io/unquiesce-parameters", "bsy: Forbidden"}},
		"engine is blocked": {with(byWidgets(widgetName), opsv1alpha1.AnnotationUnquiesceParameters, `{"busy":true}`),
			opsv1alpha1.ReasonFieldConflict, []string{"unquiesce", "the executor is taken"}},
		"no pods": {command, opsv1alpha1.ReasonTargetNotReady, []string{"no Running pod", "ops.vworkspace.io/quiesce-pods (app=web)", "start the application"}},
		"no right to send requests": {map[string]string{
			opsv1alpha1.CapabilityQuiesce:    opsv1alpha1.QuiesceExec,
			opsv1alpha1.AnnotationQuiesceURL: "web:8080/on", opsv1alpha1.AnnotationUnquiesceURL: "web:8080/off",
		}, opsv1alpha1.ReasonRbacProfileMissing, []string{
			"kubectl create role vworkspace-quiesce-request-web-8080 -n", "--verb=create --resource=services/proxy --resource-name=web:8080 &&",
			"kubectl create rolebinding", "--user=system:serviceaccount:vworkspace-agent:vworkspace-agent",
		}},
		"no right to send requests to another Service": {map[string]string{
			opsv1alpha1.CapabilityQuiesce:    opsv1alpha1.QuiesceExec,
			opsv1alpha1.AnnotationQuiesceURL: "api:http/on", opsv1alpha1.AnnotationUnquiesceURL: "web:8080/off",
		}, opsv1alpha1.ReasonRbacProfileMissing, []string{"kubectl create role vworkspace-quiesce-request-api-http-web-8080 -n"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "engine without its kind" {
				uninstallGadgets(t)
			}
			ns := gatedNamespace(t)
			quiescible(t, ns, c.annotations)
			op := quiescing(t, ns, "copy")
			create(t, op)
			eventuallySays(t, op, c.says[0]) // a target that is not Ready yet may have the same reason
			blockedFrom(t, op, c.reason)
			says(t, op, c.says...)
			if len(widgetsOf(t, op)) > 0 || len(op.Status.Preparations) > 0 {
				t.Error("something was done")
			}
			ai := placeholder(ns, "web", "shop")
			patch(t, ai, func() {
				for key := range ai.Annotations {
					if strings.Contains(key, "quiesce") {
						delete(ai.Annotations, key)
					}
				}
				for key, value := range byWidgets(widgetName) {
					ai.Annotations[key] = value
				}
			})
			widgetAs(t, op, stepQuiesce, 1)
		})
	}
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
