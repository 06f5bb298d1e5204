// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

const api = "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

func TestGolden(t *testing.T) { enginetest.Golden(t, New(), "testdata") }

// Argo's phases, each marked as completed and not. A phase that a later Argo adds must be thought about here.
func TestPhases(t *testing.T) {
	want := map[wfv1.WorkflowPhase][2]engines.State{
		wfv1.WorkflowUnknown:   {engines.StateRunning, engines.StateRunning},
		wfv1.WorkflowPending:   {engines.StateRunning, engines.StateRunning},
		wfv1.WorkflowRunning:   {engines.StateRunning, engines.StateRunning},
		wfv1.WorkflowSucceeded: {engines.StateRunning, engines.StateSucceeded},
		wfv1.WorkflowFailed:    {engines.StateRunning, engines.StateFailed},
		wfv1.WorkflowError:     {engines.StateRunning, engines.StateFailed},
	}
	for _, phase := range enginetest.Phases(t, api, "WorkflowPhase") {
		states, ok := want[wfv1.WorkflowPhase(phase)]
		if !ok {
			t.Errorf("the engine has no word for phase %q", phase)
		}
		for i, completed := range []string{"false", "true"} {
			wf := &wfv1.Workflow{ObjectMeta: metav1.ObjectMeta{Name: "w", Labels: map[string]string{labelCompleted: completed}}}
			wf.Status.Phase = wfv1.WorkflowPhase(phase)
			if got := judge(wf).State; got != states[i] {
				t.Errorf("phase %q, completed=%s: %s, want %s", phase, completed, got, states[i])
			}
		}
	}
}

// The phases, types and strategies that the messages and the cancellation tell apart.
func TestKnownValues(t *testing.T) {
	for typeName, known := range map[string][]string{
		"NodePhase": {"Pending", "Running", "Succeeded", "Skipped", "Failed", "Error", "Omitted"},
		"NodeType": {"Pod", "Container", "Steps", "StepGroup", "DAG", "TaskGroup", "Retry", "Skipped", "Suspend", "HTTP",
			"Plugin"},
		"ShutdownStrategy": {"Terminate", "Stop", ""},
	} {
		if diff := cmp.Diff(known, enginetest.Phases(t, api, typeName)); diff != "" {
			t.Errorf("%s (-known +Argo's):\n%s", typeName, diff)
		}
	}
}

// What is applied is the whole spec: Argo's minimal CRD makes it one atomic value.
func TestShutDownKeepsTheSpec(t *testing.T) {
	for _, obj := range enginetest.ReadObjects(t, "testdata/running/live.yaml") {
		wf, ok := obj.(*wfv1.Workflow)
		if !ok {
			continue
		}
		change, err := shutDown(wf, wfv1.ShutdownStrategyStop)
		if err != nil {
			t.Fatal(err)
		}
		applied := &wfv1.Workflow{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(change.Object.(*unstructured.Unstructured).Object, applied); err != nil {
			t.Fatal(err)
		}
		want := wf.Spec.DeepCopy()
		want.Shutdown = wfv1.ShutdownStrategyStop
		if diff := cmp.Diff(*want, applied.Spec); diff != "" {
			t.Errorf("spec (-want +applied):\n%s", diff)
		}
		return
	}
	t.Fatal("no Workflow to stop")
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"abcdefghijklmnopqrstuvwxyz", 20, "abcde ... qrstuvwxyz"},
		{"äöüäöüäöüäöüäöüäöü", 21, "äö ... öüäöü"},
	} {
		got := shorten(c.s, c.n)
		if len(got) > c.n {
			t.Errorf("shorten(%q, %d) has %d bytes", c.s, c.n, len(got))
		}
		if c.want != got {
			t.Errorf("shorten(%q, %d) = %q, want %q", c.s, c.n, got, c.want)
		}
	}
}
