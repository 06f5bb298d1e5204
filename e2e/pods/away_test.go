// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"fmt"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// away: the node of one spoke stands still in the middle of a command, for longer than Open Cluster Management waits for it, and while it is away a second
// command is asked for. When it is back both end everywhere, and nothing has run twice.
func away(t *testing.T) {
	gone := fleet.Spokes[len(fleet.Spokes)-1]
	for _, spoke := range fleet.Spokes {
		create(t, spoke, placeholder("sleepers", map[opsv1alpha1.OperationType]opsv1alpha1.OperationEngine{opsv1alpha1.TypeRunCommand: opsv1alpha1.EngineJob}))
	}
	impatient(t, gone)
	during := sleep("during", 45)
	create(t, fleet.Hub, during)
	eventually(t, "the command to run on all spokes", running(t, during, len(fleet.Spokes)))
	for _, job := range sleepers(t, gone) {
		if job.Status.Active != 1 {
			t.Fatalf("the command is not at work on %s: %+v", gone.Name, job.Status)
		}
	}

	if err := fleet.Pause(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	back := func() {
		if err := fleet.Unpause(context.WithoutCancel(t.Context()), gone); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			_ = fleet.Unpause(context.Background(), gone)
		}
	})
	available(t, gone, metav1.ConditionUnknown)
	after := sleep("meanwhile", 1)
	create(t, fleet.Hub, after)
	for _, op := range []*opsv1alpha1.Operation{during, after} {
		eventually(t, "Operation "+op.Name+" to have ended where it can", counts(t, op, func(c *opsv1alpha1.Counts) bool { return c.Succeeded == int32(len(fleet.Spokes)-1) }))
		if op.Status.Phase != opsv1alpha1.PhaseRunning {
			t.Errorf("Operation %s is %s/%s while %s is away: %s", op.Name, op.Status.Phase, op.Status.Reason, gone.Name, op.Status.Message)
		}
		t.Logf("while %s is away, %s: %s/%s: %s", gone.Name, op.Name, op.Status.Phase, op.Status.Reason, op.Status.Message)
	}

	back()
	available(t, gone, metav1.ConditionTrue)
	for _, op := range []*opsv1alpha1.Operation{during, after} {
		succeeds(t, fleet.Hub, op)
	}
	for _, spoke := range fleet.Spokes {
		jobs := sleepers(t, spoke)
		if len(jobs) != 2 {
			t.Errorf("%d Jobs on %s, want one for each Operation", len(jobs), spoke.Name)
		}
		for _, job := range jobs {
			if s := job.Status; s.Succeeded != 1 || s.Failed != 0 {
				t.Errorf("Job %s on %s: %d pods succeeded and %d failed, want 1 and 0", job.Name, spoke.Name, s.Succeeded, s.Failed)
			}
		}
	}
}

// sleepers are the Jobs that sleep has made on a spoke.
func sleepers(t *testing.T, spoke *kindfleet.Cluster) []batchv1.Job {
	t.Helper()
	var jobs batchv1.JobList
	if err := connect(t, spoke).List(t.Context(), &jobs, client.InNamespace(tenant), ofSleepers); err != nil {
		t.Fatal(err)
	}
	return jobs.Items
}

// ofSleepers is the label of what is made for the instance that sleep runs on.
var ofSleepers = client.MatchingLabels{appsv1alpha1.LabelApplicationInstance: "sleepers"}

// sleep is an Operation that sleeps on all sleepers for seconds.
func sleep(name string, seconds int) *opsv1alpha1.Operation {
	op := fleetwide(name, opsv1alpha1.TypeRunCommand, fmt.Sprintf(`{"image": %q, "command": ["sleep", "%d"]}`, kindfleet.ToolImage, seconds))
	op.Spec.Selector.Names = []string{"sleepers"}
	return op
}

// running says what is missing until an Operation of the hub runs on n clusters.
func running(t *testing.T, op *opsv1alpha1.Operation, n int) func(context.Context) string {
	return counts(t, op, func(c *opsv1alpha1.Counts) bool { return int(c.Running) == n })
}

// counts says what is missing until an Operation of the hub counts its clusters so.
func counts(t *testing.T, op *opsv1alpha1.Operation, so func(*opsv1alpha1.Counts) bool) func(context.Context) string {
	k := connect(t, fleet.Hub)
	return func(ctx context.Context) string {
		if err := k.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return err.Error()
		}
		s := op.Status
		if s.Summary == nil || s.Summary.Clusters == nil || !so(s.Summary.Clusters) {
			return strings.TrimSpace(fmt.Sprintf("%s/%s: %s %+v", s.Phase, s.Reason, s.Message, s.Summary))
		}
		return ""
	}
}

// impatient makes Open Cluster Management call a cluster away after half a minute of silence, instead of five, until the test ends.
func impatient(t *testing.T, c *kindfleet.Cluster) {
	t.Helper()
	k := connect(t, fleet.Hub)
	lease := func(ctx context.Context, seconds int) error {
		managed := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: c.Name}}
		return k.Patch(ctx, managed, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"leaseDurationSeconds":%d}}`, seconds)))
	}
	if err := lease(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lease(context.Background(), 60); err != nil {
			t.Error(err)
		}
	})
}

// available waits until Open Cluster Management says so of a cluster.
func available(t *testing.T, c *kindfleet.Cluster, want metav1.ConditionStatus) {
	t.Helper()
	k := connect(t, fleet.Hub)
	eventually(t, fmt.Sprintf("cluster %s to be available: %s", c.Name, want), func(ctx context.Context) string {
		var managed clusterv1.ManagedCluster
		if err := k.Get(ctx, client.ObjectKey{Name: c.Name}, &managed); err != nil {
			return err.Error()
		}
		condition := meta.FindStatusCondition(managed.Status.Conditions, clusterv1.ManagedClusterConditionAvailable)
		if condition == nil || condition.Status != want {
			return fmt.Sprintf("%+v", condition)
		}
		return ""
	})
}
