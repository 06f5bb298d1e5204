// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

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
