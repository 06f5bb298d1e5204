// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// taking is an Operation on every instance of a namespace, so many at a time.
func taking(namespace string, most int32) *opsv1alpha1.Operation {
	return selecting(namespace, "op", opsv1alpha1.InstanceSelector{MaxConcurrency: ptr.To(most)})
}

// watchTurns fails the test when more children in a namespace are at work than may, ever.
func watchTurns(t *testing.T, namespace string, most int) {
	t.Helper()
	w, err := k8s.Watch(t.Context(), &opsv1alpha1.OperationList{}, client.InNamespace(namespace))
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		running := map[string]bool{}
		for event := range w.ResultChan() {
			op, ok := event.Object.(*opsv1alpha1.Operation)
			if !ok || op.Spec.TargetRef == nil {
				continue
			}
			if delete(running, op.Name); op.Status.Phase == opsv1alpha1.PhaseRunning {
				running[op.Name] = true
			}
			if len(running) > most {
				t.Errorf("%d are at work, and %d may", len(running), most)
			}
		}
	}()
	t.Cleanup(func() {
		w.Stop()
		wait.Wait()
	})
}

// counted waits for the counts of an Operation that nothing is in the way of.
func counted(t *testing.T, op *opsv1alpha1.Operation, want opsv1alpha1.Counts) {
	t.Helper()
	eventually(t, func() string {
		s := reload(t, op).Status.Summary
		if s == nil {
			return "nothing is counted"
		}
		return differ(*s.Instances, want)
	})
	if op.Status.Blocked {
		t.Errorf("it is blocked: %s", op.Status.Message)
	}
}

// TestMaxConcurrency: all children are there at once; so many are at work, and the next begins when one has ended, in the order of the instances.
func TestMaxConcurrency(t *testing.T) {
	ns := gatedNamespace(t)
	for i := range 5 {
		capable(t, ns, fmt.Sprintf("web-%d", i), widgetName)
	}
	watchTurns(t, ns, 2)
	op := taking(ns, 2)
	op.Spec.StartDeadline = seconds(1)
	create(t, op)
	child := func(i int) *opsv1alpha1.Operation { return childOn(t, op, ns, fmt.Sprintf("web-%d", i)) }
	counted(t, op, opsv1alpha1.Counts{Total: 5, Pending: 3, Running: 2})
	var first, rest []int
	for i := range 5 {
		if c := child(i); len(widgetsOf(t, c)) > 0 || c.Status.Phase == opsv1alpha1.PhaseRunning {
			first = append(first, i)
		} else {
			rest = append(rest, i)
			says(t, blockedFrom(t, c, opsv1alpha1.ReasonAwaitingTurn), "spec.selector.maxConcurrency of Operation "+ns+"/op lets 2 instances be at work at a time", "starts by itself")
		}
	}
	if len(first) != 2 {
		t.Fatalf("%v have begun", first)
	}
	for at, i := range first {
		finish(t, child(i))
		reaches(t, child(rest[at]), opsv1alpha1.PhaseRunning, "")
	}
	counted(t, op, opsv1alpha1.Counts{Total: 5, Pending: 1, Running: 2, Succeeded: 2})
	for _, i := range rest {
		finish(t, child(i))
	}
	reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
}

// TestTurnIsPassedOn: one that waits for something else holds nobody up, also when it is its turn, and takes a place again when it has what it waited for. A turn
// is waited for without end.
func TestTurnIsPassedOn(t *testing.T) {
	agentClock.resetAfter(t)
	ns := gatedNamespace(t)
	create(t, placeholder(ns, "a", "shop"))
	for _, name := range []string{"b", "c"} {
		capable(t, ns, name, widgetName)
	}
	watchTurns(t, ns, 1)
	op := taking(ns, 1)
	create(t, op)
	a, b, c := childOn(t, op, ns, "a"), childOn(t, op, ns, "b"), childOn(t, op, ns, "c")
	blockedFrom(t, a, opsv1alpha1.ReasonCapabilityMissing)
	eventually(t, func() string {
		if reload(t, b).Status.Phase != opsv1alpha1.PhaseRunning {
			b, c = c, b
		}
		return differ(b.Status.Phase, opsv1alpha1.PhaseRunning)
	})
	blockedFrom(t, c, opsv1alpha1.ReasonAwaitingTurn)
	agentClock.forward(time.Minute)
	instance := placeholder(ns, "a", "shop")
	patch(t, instance, func() {
		instance.Annotations = map[string]string{opsv1alpha1.TypeRunCommand.Capability(): string(widgetName)}
	})
	blockedFrom(t, a, opsv1alpha1.ReasonAwaitingTurn)
	agentClock.forward(time.Hour) // longer than the start deadline
	patch(t, c, func() { c.Annotations["look"] = "again" })
	// It is a's turn next, and it cannot: c goes on.
	patch(t, instance, func() { instance.Annotations = nil })
	finish(t, b)
	blockedFrom(t, a, opsv1alpha1.ReasonCapabilityMissing)
	finish(t, c)
	reaches(t, c, opsv1alpha1.PhaseSucceeded, "")
	patch(t, instance, func() {
		instance.Annotations = map[string]string{opsv1alpha1.TypeRunCommand.Capability(): string(widgetName)}
	})
	finish(t, a)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
}

func differ[T comparable](is, want T) string {
	if is == want {
		return ""
	}
	return fmt.Sprintf("%+v, want %+v", is, want)
}

// TestTurnsEndEarly: those that wait for their turn are cancelled, and deleted, as any others.
func TestTurnsEndEarly(t *testing.T) {
	for name, end := range map[string]func(*opsv1alpha1.Operation){
		"cancelled": func(op *opsv1alpha1.Operation) {
			patch(t, op, func() { op.Spec.Cancel = true })
			says(t, reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled), "3 of 3 cancelled")
		},
		"deleted": func(op *opsv1alpha1.Operation) {
			if err := k8s.Delete(t.Context(), op); err != nil {
				t.Fatal(err)
			}
			gone(t, op)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			for _, name := range []string{"a", "b", "c"} {
				capable(t, ns, name, stoppableName)
			}
			op := taking(ns, 1)
			create(t, op)
			counted(t, op, opsv1alpha1.Counts{Total: 3, Pending: 2, Running: 1})
			done := make(chan struct{})
			go func() {
				defer close(done)
				for _, c := range childrenOf(t, op) {
					if c.Status.Phase == opsv1alpha1.PhaseRunning {
						collect(t, widgetOf(t, &c))
					}
				}
			}()
			end(op)
			<-done
		})
	}
}

// TestTurnsSurviveCrashes: whenever the agent dies on the way to a child's fence, or before it learns that the fence is set, no more than may are at work, and
// all of them have their turn.
func TestTurnsSurviveCrashes(t *testing.T) {
	for name, verb := range map[string]string{"before the fence": "status", "after the fence": "after status"} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			for i := range 4 {
				capable(t, ns, fmt.Sprintf("web-%d", i), widgetName)
			}
			watchTurns(t, ns, 1)
			left := 4
			faults.inject(t, ns, func(v string, obj client.Object) error {
				op, ok := obj.(*opsv1alpha1.Operation)
				if ok && v == verb && op.Spec.TargetRef != nil && op.Status.Reason == opsv1alpha1.ReasonEngineStarted && left > 0 {
					left--
					return errors.New("the agent died here")
				}
				return nil
			})
			defer faults.heal(ns)
			op := taking(ns, 1)
			create(t, op)
			for range 4 {
				var running *opsv1alpha1.Operation
				eventually(t, func() string {
					for _, c := range childrenOf(t, op) {
						if c.Status.Phase == opsv1alpha1.PhaseRunning {
							running = &c
							return ""
						}
					}
					return "none runs"
				})
				finish(t, running)
				reaches(t, running, opsv1alpha1.PhaseSucceeded, "")
			}
			reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
			if left > 0 {
				t.Errorf("%d deaths to go", left)
			}
		})
	}
}

// TestTurnKeepsItsPlace: a younger Operation on the target of a child that waits for its turn does not pass it.
func TestTurnKeepsItsPlace(t *testing.T) {
	first, second := in(opsv1alpha1.PhasePending, "a", opsv1alpha1.ReasonAwaitingTurn, ""), in(opsv1alpha1.PhasePending, "a")
	first.UID, second.UID = "1", "2"
	if r := rival(&second, []opsv1alpha1.Operation{first, second}); r == nil || r.UID != first.UID {
		t.Errorf("%+v goes first", r)
	}
}
