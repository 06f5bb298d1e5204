// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/testbed"
)

// causeOf is the cause that the hub tells for a cluster.
func causeOf(op *opsv1alpha1.Operation, cluster string) string {
	for _, f := range op.Status.Failures {
		if f.Name == cluster {
			return f.Reason + ": " + f.Message
		}
	}
	return ""
}

// TestFailingPods: the exit code and the last words of a failing pod reach the hub.
func TestFailingPods(t *testing.T) {
	parameters := command(0)
	parameters["podAnnotations"] = map[string]string{testbed.AnnotationOutcome: testbed.OutcomeFail, testbed.AnnotationMessage: "carts are locked"}
	op := fleetOperation("failing-pods", nil, parameters)
	create(t, op)
	ended(t, op, opsv1alpha1.PhaseFailed)
	if cause := causeOf(op, "spoke1"); !strings.Contains(cause, "carts are locked") {
		t.Errorf("the cause %q lacks the pod's last words", cause)
	}
}

// TestUnknownParameter: a wrong parameter is refused where it is given, and named.
func TestUnknownParameter(t *testing.T) {
	parameters := command(0)
	parameters["imagee"] = "typo"
	err := fleet.Hub.Create(t.Context(), fleetOperation("unknown-parameter", nil, parameters))
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.parameters.imagee") {
		t.Errorf("the hub does not refuse it by its field: %v", err)
	}
}

// TestAgentMissing: a cluster whose agent does not take Operations fails after the deadline with that cause, is withdrawn, and the
// agent's return does not run it after all.
func TestAgentMissing(t *testing.T) {
	agent := fleet.Installed.Agents["spoke2"]
	if err := agent.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := agent.Restart(); err != nil {
			t.Error(err)
		}
	})
	op := fleetOperation("agent-missing", func(s *opsv1alpha1.OperationSpec) {
		s.StartDeadline = &metav1.Duration{Duration: 20 * time.Second} // which the other clusters have, too
	}, command(0))
	create(t, op)
	ended(t, op, opsv1alpha1.PhaseFailed)
	if cause := causeOf(op, "spoke2"); !strings.HasPrefix(cause, opsv1alpha1.ReasonAgentMissing) {
		t.Errorf("cause %q, want %s", cause, opsv1alpha1.ReasonAgentMissing)
	}
	if s := op.Status.Summary.Clusters; s.Succeeded != clusters-1 || s.Failed != 1 {
		t.Errorf("clusters %+v, want all but one succeeded", *s)
	}
	eventually(t, "the work to be withdrawn from spoke2", func(ctx context.Context) (bool, string) {
		var left opsv1alpha1.OperationList
		err := spoke(t, fleet.Fleet.Spokes[1]).List(ctx, &left, client.MatchingLabels{opsv1alpha1.LabelRoot: string(op.UID)})
		return err == nil && len(left.Items) == 0, fmt.Sprintf("%d Operations left, %v", len(left.Items), err)
	})
	if err := agent.Restart(); err != nil {
		t.Fatal(err)
	}
	// The agent is back at work once it runs something new; by then it would have taken up the old Operation too.
	next := fleetOperation("agent-is-back", nil, command(0))
	create(t, next)
	ended(t, next, opsv1alpha1.PhaseSucceeded)
	for where, made := range jobs(t.Context(), t, op) {
		if strings.HasPrefix(where, "spoke2/") && len(made) > 0 {
			t.Errorf("%s ran after it was reported as failed", where)
		}
	}
}

// TestChartVersionMissing: a version that nobody published fails and says which.
func TestChartVersionMissing(t *testing.T) {
	op := fleetOperation("no-such-version", func(s *opsv1alpha1.OperationSpec) {
		s.Type, s.Engine = opsv1alpha1.TypeUpgrade, opsv1alpha1.EngineHelm
		s.Selector = &opsv1alpha1.InstanceSelector{Names: []string{"shop-spoke1-a", "shop-spoke1-b"}}
	}, map[string]any{"targetVersion": "9.9.9"})
	create(t, op)
	ended(t, op, opsv1alpha1.PhaseFailed)
	if cause := causeOf(op, "spoke1"); !strings.Contains(cause, "9.9.9") {
		t.Errorf("the cause %q does not name the version", cause)
	}
	back := fleetOperation("back-from-no-such-version", func(s *opsv1alpha1.OperationSpec) {
		*s = *op.Spec.DeepCopy()
		s.Parameters = &runtime.RawExtension{Raw: []byte(`{"targetVersion":"1.2.0"}`)}
	}, nil)
	create(t, back)
	ended(t, back, opsv1alpha1.PhaseSucceeded)
	eventually(t, "all instances to be Ready again", allReady)
}

// TestDeleteRunning: deleting a running Operation on the hub stops it everywhere.
func TestDeleteRunning(t *testing.T) {
	op := fleetOperation("delete-running", nil, command(10*time.Minute))
	create(t, op)
	eventually(t, "all Jobs to run", func(ctx context.Context) (bool, string) {
		n := 0
		for _, made := range jobs(ctx, t, op) {
			n += len(made)
		}
		return n == clusters*perCluster, fmt.Sprintf("%d jobs", n)
	})
	ran := jobs(t.Context(), t, op)
	if err := fleet.Hub.Delete(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	eventually(t, "works, Operations and Jobs to go", func(ctx context.Context) (bool, string) {
		left := len(works(ctx, t, op)) + stillThere(ctx, t, ran)
		for _, c := range fleet.Fleet.Spokes {
			var list opsv1alpha1.OperationList
			if err := spoke(t, c).List(ctx, &list, client.MatchingLabels{opsv1alpha1.LabelRoot: string(op.UID)}); err != nil {
				return false, err.Error()
			}
			left += len(list.Items)
		}
		return left == 0, fmt.Sprintf("%d left", left)
	})
}

// stillThere counts which of the Jobs, by cluster and instance, exist.
func stillThere(ctx context.Context, t *testing.T, ran map[string][]batchv1.Job) int {
	t.Helper()
	n := 0
	for _, c := range fleet.Fleet.Spokes {
		cl := spoke(t, c)
		for where, made := range ran {
			if cluster, _, _ := strings.Cut(where, "/"); cluster != c.Name {
				continue
			}
			for i := range made {
				if err := cl.Get(ctx, client.ObjectKeyFromObject(&made[i]), &batchv1.Job{}); !apierrors.IsNotFound(err) {
					n++
				}
			}
		}
	}
	return n
}

// TestCancel: spec.cancel stops the run on every cluster, and the hub says Cancelled.
func TestCancel(t *testing.T) {
	op := fleetOperation("cancel", nil, command(10*time.Minute))
	create(t, op)
	eventually(t, "clusters to run", func(ctx context.Context) (bool, string) {
		err := fleet.Hub.Get(ctx, client.ObjectKeyFromObject(op), op)
		return err == nil && op.Status.Summary != nil && op.Status.Summary.Clusters.Running == clusters, demo.Line(op)
	})
	kubectl(t, "patch", "operation", op.Name, "--type=merge", "-p", `{"spec":{"cancel":true}}`)
	ended(t, op, opsv1alpha1.PhaseCancelled)
}
