// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

func TestSuccess(t *testing.T) {
	everyRig(t, func(t *testing.T, r rig) {
		op := create(t, r.succeeds(t))
		reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
		if op.Status.Outputs == nil {
			t.Errorf("no outputs: %s: %s", op.Status.Reason, op.Status.Message)
		}
		t.Logf("%s: %s", op.Status.Reason, op.Status.Message)
	})
}

func TestFailure(t *testing.T) {
	everyRigAtOnce(t, func(t *testing.T, r rig) {
		op := create(t, r.fails(t))
		reaches(t, op, opsv1alpha1.PhaseFailed, r.failReason)
		t.Logf("%s: %s", op.Status.Reason, op.Status.Message)
	})
}

// TestCancel: what can be stopped is Cancelled once it has stopped; what cannot says so.
func TestCancel(t *testing.T) {
	everyRigAtOnce(t, func(t *testing.T, r rig) {
		op := create(t, r.hangs(t))
		atWork(t, op, r.begun)
		base := op.DeepCopy()
		op.Spec.Cancel = true
		if err := k8s.Patch(t.Context(), op, client.MergeFrom(base)); err != nil {
			t.Fatal(err)
		}
		if r.stops {
			reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
		} else {
			reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonUserCancelled)
		}
		t.Logf("%s: %s", op.Status.Reason, op.Status.Message)
	})
}

func TestTimeout(t *testing.T) {
	everyRigAtOnce(t, func(t *testing.T, r rig) {
		op := r.hangs(t)
		op.Spec.Timeout = &metav1.Duration{Duration: 3 * time.Second}
		create(t, op)
		reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTimeout)
		t.Logf("%s: %s", op.Status.Reason, op.Status.Message)
	})
}

// TestControllerRestart: the controller is killed while it is at work, and started again.
func TestControllerRestart(t *testing.T) {
	everyRig(t, func(t *testing.T, r rig) {
		slow, release := r.slow(t)
		op := create(t, slow)
		atWork(t, op, r.begun)
		restart(t, controller(t, r))
		release()
		reaches(t, op, r.afterRestart, "")
		onlyOnce(t, op)
		t.Logf("%s: %s", op.Status.Reason, op.Status.Message)
	})
}

// TestControllerAbsent: an Operation waits for an engine that is not installed, says so, and goes on by itself when it is.
func TestControllerAbsent(t *testing.T) {
	everyRig(t, func(t *testing.T, r rig) {
		if r.group == "" {
			// Kubernetes serves its kinds itself: what can be absent is only who acts on them.
			process := controller(t, r)
			stop(t, process)
			op := create(t, r.succeeds(t))
			reaches(t, op, opsv1alpha1.PhaseRunning, "")
			restart(t, process)
			reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
			return
		}
		op := r.succeeds(t)
		stop(t, controller(t, r))
		bring := uninstall(t, r)
		t.Cleanup(bring) // for when something below fails
		create(t, op)
		reaches(t, op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonEngineNotInstalled)
		if !op.Status.Blocked {
			t.Error("an Operation that waits for its engine is not Blocked")
		}
		bring()
		restart(t, controller(t, r))
		reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	})
}

// TestResultLost: what an engine made is deleted before its result was read. It is not made again.
func TestResultLost(t *testing.T) {
	everyRig(t, func(t *testing.T, r rig) {
		op := create(t, r.hangs(t))
		atWork(t, op, r.begun)
		ref := op.Status.Resources[0]
		stop(t, agent)
		obj := objectOf(ref)
		if err := k8s.Get(t.Context(), keyOf(obj), obj); err != nil {
			t.Fatal(err)
		}
		mine := obj.GetLabels()[opsv1alpha1.LabelOperation] == string(op.UID)
		if err := k8s.Delete(t.Context(), obj, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
			t.Fatal(err)
		}
		letGo(t, obj)
		restart(t, agent)
		reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost)
		// What the run only changed belongs to the instance, which makes it again.
		if err := k8s.Get(t.Context(), keyOf(obj), objectOf(ref)); mine && !apierrors.IsNotFound(err) {
			t.Errorf("%s %s was made again: %v", ref.Kind, ref.Name, err)
		}
	})
}

// TestAgentRestart: the agent is killed while the executor is at work, and the executor ends while it is away.
func TestAgentRestart(t *testing.T) {
	everyRig(t, func(t *testing.T, r rig) {
		slow, release := r.slow(t)
		op := create(t, slow)
		atWork(t, op, r.begun)
		stop(t, agent)
		release()
		executorEnds(t, r, op)
		restart(t, agent)
		reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
		onlyOnce(t, op)
	})
}

// executorEnds waits for the executor's own word that it is done.
func executorEnds(t testing.TB, r rig, op *opsv1alpha1.Operation) {
	t.Helper()
	end := endings[r.engine]
	eventually(t, string(r.engine)+" to be done", func(ctx context.Context) (bool, string) {
		made := &unstructured.UnstructuredList{}
		made.SetGroupVersionKind(end.object.GroupVersion().WithKind(end.object.Kind + "List"))
		if err := k8s.List(ctx, made); err != nil {
			return false, err.Error()
		}
		for i := range made.Items {
			if o := &made.Items[i]; belongs(o, op) && end.done(o) {
				return true, ""
			}
		}
		return false, "it is not"
	})
}

// atWork waits until the engine's objects are recorded and its executor has begun.
func atWork(t testing.TB, op *opsv1alpha1.Operation, reason string) {
	t.Helper()
	reaches(t, op, opsv1alpha1.PhaseRunning, reason)
	eventually(t, "Operation "+op.Name+" to be recorded", func(ctx context.Context) (bool, string) {
		err := k8s.Get(ctx, keyOf(op), op)
		return err == nil && len(op.Status.Resources) > 0, fmt.Sprintf("%s: %s: %v", op.Status.Reason, op.Status.Message, err)
	})
}

// onlyOnce: of each kind that the run made, there is the one that is recorded.
func onlyOnce(t testing.TB, op *opsv1alpha1.Operation) {
	t.Helper()
	for _, ref := range op.Status.Resources {
		list := &unstructured.UnstructuredList{}
		gvk := schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind+"List")
		list.SetGroupVersionKind(gvk)
		if err := k8s.List(t.Context(), list, client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)}); err != nil {
			t.Fatal(err)
		}
		if len(list.Items) > 1 {
			t.Errorf("%d objects of kind %s were made for one run", len(list.Items), ref.Kind)
		}
	}
}

func controller(t testing.TB, r rig) *testbed.Process {
	t.Helper()
	p := fleet.Process(cluster.Name + "-" + r.controller)
	if p == nil {
		t.Fatalf("no process %s", r.controller)
	}
	return p
}

// stop kills a process; it is started again at the latest when the test is over.
func stop(t testing.TB, p *testbed.Process) {
	t.Helper()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		case <-p.Done():
			if err := p.Restart(); err != nil {
				t.Error(err)
			}
		default:
		}
	})
}

func restart(t testing.TB, p *testbed.Process) {
	t.Helper()
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
}

func objectOf(ref opsv1alpha1.ResourceRef) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind))
	obj.SetNamespace(ref.Namespace)
	obj.SetName(ref.Name)
	return obj
}

func keyOf(obj client.Object) client.ObjectKey { return client.ObjectKeyFromObject(obj) }
