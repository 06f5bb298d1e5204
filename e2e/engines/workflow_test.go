// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"fmt"
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// workflowRig: Argo's workflow-controller. The pod of the one step is simulated like a Job's.
var workflowRig = rig{
	engine:   opsv1alpha1.EngineWorkflow,
	succeeds: func(t testing.TB) *opsv1alpha1.Operation { return workflow(t, nil) },
	fails: func(t testing.TB) *opsv1alpha1.Operation {
		return workflow(t, map[string]string{testbed.AnnotationOutcome: testbed.OutcomeFail, testbed.AnnotationMessage: "disk full"})
	},
	failReason: "WorkflowFailed",
	begun:      opsv1alpha1.ReasonEngineRunning,
	hangs: func(t testing.TB) *opsv1alpha1.Operation {
		return workflow(t, map[string]string{testbed.AnnotationDuration: "1h"})
	},
	slow: func(t testing.TB) (*opsv1alpha1.Operation, func()) {
		return workflow(t, map[string]string{testbed.AnnotationDuration: "6s"}), func() {}
	},
	controller:   "argo",
	afterRestart: opsv1alpha1.PhaseSucceeded,
	group:        "argoproj.io",
	keeps:        []string{"WorkflowTemplate"},
	stops:        true,
}

// workflow of one step, whose pod has the annotations.
func workflow(t testing.TB, pod map[string]string) *opsv1alpha1.Operation {
	t.Helper()
	return runbook(t, step("work", pod))
}

// runbook is an Operation that runs the templates, beginning with the first.
func runbook(t testing.TB, templates ...wfv1.Template) *opsv1alpha1.Operation {
	t.Helper()
	template := create(t, &wfv1.WorkflowTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: unique(t)},
		Spec:       wfv1.WorkflowSpec{Entrypoint: templates[0].Name, Templates: templates},
	})
	return operation(t, placeholder(t, opsv1alpha1.EngineWorkflow), opsv1alpha1.TypeRunbook, opsv1alpha1.EngineWorkflow, map[string]any{
		"workflowTemplate": template.Name,
	})
}

func step(name string, pod map[string]string) wfv1.Template {
	return wfv1.Template{
		Name:     name,
		Metadata: wfv1.Metadata{Annotations: pod},
		// Argo asks the registry for a command that is left out.
		Container: &corev1.Container{Image: "registry.example.com/probe:1", Command: []string{"true"}},
	}
}

// TestWorkflowResume: a workflow with a step that waits for a person says so, and goes on once that person has resumed it.
func TestWorkflowResume(t *testing.T) {
	op := create(t, runbook(t,
		wfv1.Template{Name: "main", Steps: []wfv1.ParallelSteps{
			{Steps: []wfv1.WorkflowStep{{Name: "look", Template: "wait"}}},
			{Steps: []wfv1.WorkflowStep{{Name: "go", Template: "work"}}},
		}},
		wfv1.Template{Name: "wait", Suspend: &wfv1.SuspendTemplate{}},
		step("work", nil),
	))
	reaches(t, op, opsv1alpha1.PhaseRunning, "WorkflowSuspended")
	if c := condition(op, opsv1alpha1.ConditionBlocked); !op.Status.Blocked || c == nil || c.Reason != opsv1alpha1.ReasonAwaitingResume {
		t.Errorf("a run that waits for a person is not Blocked: %+v", c)
	}
	t.Log(op.Status.Message)
	resume(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "WorkflowSucceeded")
	if c := condition(op, opsv1alpha1.ConditionBlocked); op.Status.Blocked || c != nil && c.Status == metav1.ConditionTrue {
		t.Errorf("a run that was resumed is still Blocked: %+v", c)
	}
}

// resume does what `argo resume` does.
func resume(t testing.TB, op *opsv1alpha1.Operation) {
	t.Helper()
	eventually(t, "the Workflow to be resumed", func(ctx context.Context) (bool, string) {
		wf := &wfv1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: op.Status.Resources[0].Name}}
		if err := k8s.Get(ctx, keyOf(wf), wf); err != nil {
			return false, err.Error()
		}
		for id, node := range wf.Status.Nodes {
			if node.IsActiveSuspendNode() {
				node.Phase, node.FinishedAt = wfv1.NodeSucceeded, metav1.Now()
				wf.Status.Nodes[id] = node
			}
		}
		err := k8s.Update(ctx, wf)
		return err == nil, fmt.Sprint(err)
	})
}
