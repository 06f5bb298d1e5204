// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestUnquiesceCommandIsRepeated: until it succeeds, and not faster than quiesceRetry.
func TestUnquiesceCommandIsRepeated(t *testing.T) {
	ns := gatedNamespace(t)
	var tries atomic.Int32
	kubelet := newKubelet(t, func(_ context.Context, _, command string) (string, int) {
		if strings.HasSuffix(command, "off") && tries.Add(1) < 3 {
			return fmt.Sprintf("the database is starting (%d)", tries.Load()), 1
		}
		return "", 0
	})
	kubelet.runs(t, ns, "web-0", web, "app")
	allow(t, ns, "pods/exec", "create", "get")
	quiescible(t, ns, byCommands())
	op := quiescing(t, ns, "copy")
	create(t, op)
	broken(t, widgetAs(t, op, "", 1))
	eventually(t, func() string {
		if p := reload(t, op).Status.Preparations; len(p) == 0 || !strings.Contains(p[0].Message, "the database is starting (2)") {
			return fmt.Sprintf("%+v", p)
		}
		return ""
	})
	reaches(t, op, opsv1alpha1.PhaseFailed, "WidgetBroken")
	if n := tries.Load(); n != 3 {
		t.Errorf("tried %d times", n)
	}
	if p := op.Status.Preparations[0]; p.Message != "" || p.State != opsv1alpha1.PreparationUndone {
		t.Errorf("preparation: %+v", p)
	}
}

// TestUnquiesceWithoutPods: an application whose pods are away is waited for; one that was deleted is not.
func TestUnquiesceWithoutPods(t *testing.T) {
	for name, deleted := range map[string]bool{"away": false, "deleted": true} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			kubelet := newKubelet(t, obedient)
			pod := kubelet.runs(t, ns, "web-0", web, "app")
			allow(t, ns, "pods/exec", "create", "get")
			quiescible(t, ns, byCommands())
			op := quiescing(t, ns, "copy")
			create(t, op)
			w := widgetAs(t, op, "", 1)
			if err := k8s.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
				t.Fatal(err)
			}
			gone(t, pod)
			if deleted {
				ai := placeholder(ns, "web", "shop")
				if err := k8s.Delete(t.Context(), ai); err != nil {
					t.Fatal(err)
				}
				gone(t, ai)
			}
			done(t, w)
			if !deleted {
				eventually(t, func() string {
					if p := reload(t, op).Status.Preparations; !strings.Contains(p[0].Message, "no Running pod") {
						return fmt.Sprintf("%+v", p)
					}
					return ""
				})
				kubelet.runs(t, ns, "web-1", web, "app")
			}
			reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
			if ran := strings.Join(kubelet.heard(), ","); strings.Contains(ran, "web-1/app: maintenance off") == deleted {
				t.Errorf("ran %s", ran)
			}
		})
	}
}

// TestUnquiesceGivesUp: after undoDeadline it is told, and worse than any other end.
func TestUnquiesceGivesUp(t *testing.T) {
	ns := gatedNamespace(t)
	kubelet := newKubelet(t, func(_ context.Context, _, command string) (string, int) {
		if strings.HasSuffix(command, "off") {
			return "no such table", 1
		}
		return "", 0
	})
	kubelet.runs(t, ns, "web-0", web, "app")
	allow(t, ns, "pods/exec", "create", "get")
	quiescible(t, ns, byCommands())
	op := quiescing(t, ns, "copy")
	create(t, op)
	done(t, widgetAs(t, op, "", 1))
	eventually(t, func() string {
		if reload(t, op).Status.Verdict == nil || op.Status.Preparations[0].Message == "" {
			return "has not failed yet"
		}
		begun := metav1.NewTime(op.Status.Preparations[0].UndoStartedAt.Add(-undoDeadline))
		op.Status.Preparations[0].UndoStartedAt = &begun
		if err := k8s.Status().Update(t.Context(), op); err != nil {
			return err.Error()
		}
		return ""
	})
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNotPutBack)
	says(t, op, "Quiesce was not put back within 10m0s", "exit code 1: no such table", "the run itself ended as Succeeded")
}

// TestUnquiesceAfterAnAbsence: an agent that was away when the run ended has all of undoDeadline when it is back.
func TestUnquiesceAfterAnAbsence(t *testing.T) {
	ns := gatedNamespace(t)
	var tries atomic.Int32
	kubelet := newKubelet(t, func(_ context.Context, _, command string) (string, int) {
		if strings.HasSuffix(command, "off") && tries.Add(1) < 2 {
			return "the database is starting", 1
		}
		return "", 0
	})
	kubelet.runs(t, ns, "web-0", web, "app")
	allow(t, ns, "pods/exec", "create", "get")
	quiescible(t, ns, byCommands())
	op := quiescing(t, ns, "copy")
	create(t, op)
	w := widgetAs(t, op, "", 1)
	away(t, op, 2*undoDeadline, func() { done(t, w) })
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	if n := tries.Load(); n != 2 {
		t.Errorf("tried %d times", n)
	}
}

// away lets the agent die as soon as it has seen the run end, before it puts anything back, and come back after d.
func away(t *testing.T, op *opsv1alpha1.Operation, d time.Duration, end func()) {
	t.Helper()
	faults.inject(t, op.Namespace, func(verb string, obj client.Object) error {
		if run, ok := obj.(*opsv1alpha1.Operation); ok && verb == "status" && slices.ContainsFunc(run.Status.Preparations, begunToUndo) {
			return errors.New("the agent is away")
		}
		return nil
	})
	defer faults.heal(op.Namespace)
	end()
	eventually(t, func() string {
		if reload(t, op).Status.Verdict == nil {
			return "has not ended yet"
		}
		op.Status.Verdict.Time = metav1.NewTime(op.Status.Verdict.Time.Add(-d))
		if err := k8s.Status().Update(t.Context(), op); err != nil {
			return err.Error()
		}
		return ""
	})
}

func begunToUndo(p opsv1alpha1.Preparation) bool { return p.UndoStartedAt != nil }
