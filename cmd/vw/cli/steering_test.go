// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// put an Operation of a fleet on the API server, with a status as a hub would write it.
func put(t *testing.T, ns, name string, phase opsv1alpha1.OperationPhase, change func(*opsv1alpha1.Operation)) *opsv1alpha1.Operation {
	t.Helper()
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: opsv1alpha1.OperationSpec{
		Type: opsv1alpha1.TypeUpgrade, Selector: &opsv1alpha1.InstanceSelector{},
		Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "everywhere"}},
	}}
	if change != nil {
		change(op)
	}
	status := op.Status.DeepCopy()
	if err := api.Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	op.Status = *status
	if op.Status.Phase = phase; phase == "" {
		return op
	}
	if err := api.Status().Update(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	return op
}

// specOf an Operation, as it is now.
func specOf(t *testing.T, op *opsv1alpha1.Operation) opsv1alpha1.OperationSpec {
	t.Helper()
	now := &opsv1alpha1.Operation{}
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(op), now); err != nil {
		t.Fatal(err)
	}
	return now.Spec
}

func says(t *testing.T, got result, status int, out, errOut string) {
	t.Helper()
	if got.status != status || !strings.Contains(got.out, out) || !strings.Contains(got.errOut, errOut) {
		t.Errorf("status %d, printed %q, said %q\nwant status %d, %q, %q", got.status, got.out, got.errOut, status, out, errOut)
	}
}

func someFailed(op *opsv1alpha1.Operation) {
	op.Status.Summary = &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: 3, Running: 1, Pending: 1, Failed: 1}}
	op.Status.Plan = &opsv1alpha1.PlanStatus{Name: "plan", Clusters: 3}
}

func TestPauseAndResume(t *testing.T) {
	ns := namespace(t)
	one, two := put(t, ns, "one", opsv1alpha1.PhaseRunning, someFailed), put(t, ns, "two", opsv1alpha1.PhasePending, nil)
	says(t, vw(t, "-n", ns, "pause", "one", "op/two"), ExitOK, "one paused: what runs on 1 cluster goes on, 1 cluster held back\ntwo paused\n", "")
	if !specOf(t, one).Suspend || !specOf(t, two).Suspend {
		t.Error("not suspended")
	}
	says(t, vw(t, "-n", ns, "pause", "one"), ExitOK, "one is paused already\n", "")
	says(t, vw(t, "-n", ns, "resume", "one"), ExitOK, "one resumed: 1 cluster to be started\n", "")
	says(t, vw(t, "-n", ns, "resume", "one"), ExitOK, "one is not paused\n", "")
	if specOf(t, one).Suspend {
		t.Error("still suspended")
	}
	says(t, vw(t, "-n", ns, "pause", "one", "tow", "two", "-o", "name"), ExitError, "operation.ops.vworkspace.io/one\noperation.ops.vworkspace.io/two\n",
		"there is no Operation tow in namespace "+ns+"; did you mean two?")
	says(t, vw(t, "-n", namespace(t), "pause", "one"), ExitError, "", "nor any other: another namespace is chosen by -n")
	says(t, vw(t, "-n", ns, "pause"), ExitError, "", "name an Operation: vw pause OPERATION...")
}

func TestCancel(t *testing.T) {
	ns := namespace(t)
	op := put(t, ns, "one", opsv1alpha1.PhaseRunning, someFailed)
	put(t, ns, "over", opsv1alpha1.PhaseFailed, someFailed)
	says(t, vw(t, "-n", ns, "cancel", "one", "--yes"), ExitOK, "one cancelled: 1 cluster told to stop, 1 cluster not started\n", "")
	if !specOf(t, op).Cancel {
		t.Error("not cancelled")
	}
	says(t, vw(t, "-n", ns, "cancel", "one"), ExitOK, "one is being cancelled already", "")
	says(t, vw(t, "-n", ns, "cancel", "over"), ExitError, "", "over has ended (Failed): there is nothing to cancel; vw retry over runs again")
}

func TestApprove(t *testing.T) {
	ns := namespace(t)
	op := put(t, ns, "one", opsv1alpha1.PhasePending, nil)
	says(t, vw(t, "-n", ns, "approve", "one"), ExitOK, "one approved by ", "")
	if a := specOf(t, op).Approvals; a == nil || a.ApprovedBy == "" || a.ApprovedAt != "2030-01-02T03:04:05Z" {
		t.Errorf("%+v", a)
	}
	says(t, vw(t, "-n", ns, "approve", "one"), ExitOK, "one was approved already, by you", "")

	claimed := put(t, ns, "claimed", opsv1alpha1.PhasePending, nil)
	says(t, vwWith(t, " a.b.c\n", "--kubeconfig", kubeconfig, "-n", ns, "approve", "claimed", "--claim", "-"), ExitOK, "claimed given the claim", "")
	if a := specOf(t, claimed).Approvals; a == nil || a.Claim != "a.b.c" {
		t.Errorf("%+v", a)
	}
	says(t, vwWith(t, "\n", "--kubeconfig", kubeconfig, "-n", ns, "approve", "claimed", "--claim", "-"), ExitError, "", "--claim: - is empty")
	says(t, vw(t, "-n", ns, "approve", "claimed", "--claim", "-", "--group", "eu"), ExitError, "", "--claim: a claim is for the whole Operation")

	gated := put(t, ns, "gated", opsv1alpha1.PhaseRunning, func(op *opsv1alpha1.Operation) {
		op.Spec.Rollout = &opsv1alpha1.RolloutSpec{Gate: opsv1alpha1.GatePerGroup, ApprovedGroups: []string{"canary"}}
		op.Spec.Rollout.Type = clusterv1alpha1.ProgressivePerGroup
		op.Status.Rollout = &opsv1alpha1.RolloutStatus{Group: "eu", Groups: 2}
		op.Status.Conditions = []metav1.Condition{{Type: opsv1alpha1.ConditionBlocked, Status: metav1.ConditionTrue, Reason: opsv1alpha1.ReasonAwaitingGroupApproval, LastTransitionTime: metav1.Now()}}
	})
	says(t, vw(t, "-n", ns, "approve", "gated"), ExitOK, "gated group eu approved: it begins in its turn", "")
	says(t, vw(t, "-n", ns, "approve", "gated", "--group", "us"), ExitOK, "gated group us approved", "")
	if got := strings.Join(specOf(t, gated).Rollout.ApprovedGroups, " "); got != "canary eu us" {
		t.Error(got)
	}
}

func TestRetry(t *testing.T) {
	ns := namespace(t)
	op := put(t, ns, "halted", opsv1alpha1.PhaseRunning, someFailed)
	says(t, vw(t, "-n", ns, "retry", "halted", "--failed", "--unreachable"), ExitOK, "halted tries again (attempt 1): clusters that failed or did not answer, each in its turn", "")
	if r := specOf(t, op).Retry; r == nil || r.Attempt != 1 || len(r.Of) != 2 {
		t.Errorf("%+v", r)
	}
	says(t, vw(t, "-n", ns, "retry", "halted"), ExitOK, "halted is asked for a retry already (attempt 1)", "")

	ended := put(t, ns, "ended", opsv1alpha1.PhaseFailed, someFailed)
	again := asked(t, ns, vw(t, "-n", ns, "retry", "ended", "--skipped"))
	if r := again.Spec.RetryOf; r == nil || r.Name != "ended" || len(r.Of) != 1 || r.Of[0] != opsv1alpha1.RetrySkipped || !strings.HasPrefix(again.Name, "ended-retry-") {
		t.Errorf("%s %+v", again.Name, r)
	}
	if specOf(t, ended).Retry != nil {
		t.Error("what has ended was changed")
	}
	says(t, vw(t, "-n", ns, "retry", "ended", "halted", "--wait"), ExitError, "", "--wait: one Operation is followed at a time")
}

// TestRetryOfARetryWithoutAPlan: it is still about what the first one was about, and not about every cluster.
func TestRetryOfARetryWithoutAPlan(t *testing.T) {
	ns := namespace(t)
	put(t, ns, "again", opsv1alpha1.PhaseFailed, func(op *opsv1alpha1.Operation) {
		op.Spec.RetryOf = &opsv1alpha1.RetryOfSpec{Name: "first", Of: []opsv1alpha1.RetryOutcome{opsv1alpha1.RetryFailed}}
	})
	made := asked(t, ns, vw(t, "-n", ns, "retry", "again"))
	if r := made.Spec.RetryOf; r == nil || r.Name != "first" || len(r.Of) != 1 {
		t.Errorf("it is made with %+v", r)
	}
}

// TestMistakenFormatChangesNothing: it is found before anything is written, so that whoever corrects it does not ask twice.
func TestMistakenFormatChangesNothing(t *testing.T) {
	ns := shopsOn(t)
	put(t, ns, "one", opsv1alpha1.PhaseFailed, someFailed)
	for _, call := range []string{"retry one -o jsn", "backup --placement everywhere --yes -o jsn", "freeze mistaken --reason x -o jsn"} {
		says(t, vw(t, append([]string{"-n", ns}, strings.Fields(call)...)...), ExitError, "", `--output: "jsn" is not known`)
	}
	list := &opsv1alpha1.OperationList{}
	if err := api.List(t.Context(), list, client.InNamespace(ns)); err != nil || len(list.Items) != 1 {
		t.Errorf("there are %d Operations, want the one that was there: %v", len(list.Items), err)
	}
	if err := api.Get(t.Context(), client.ObjectKey{Name: "mistaken"}, &opsv1alpha1.Freeze{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Freeze: %v", err)
	}
}

// TestFreezeThatWasOver: whoever freezes anew under an old name means now.
func TestFreezeThatWasOver(t *testing.T) {
	over := &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: "last-week"}, Spec: opsv1alpha1.FreezeSpec{
		Reason: "x", Until: &metav1.Time{Time: time.Date(2029, 12, 1, 0, 0, 0, 0, time.UTC)},
	}}
	if err := api.Create(t.Context(), over); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Delete(context.Background(), over) })
	says(t, vw(t, "freeze", "last-week", "--reason", "again"), ExitOK, "nothing begins until vw unfreeze last-week", "")
}

func TestRollback(t *testing.T) {
	ns := namespace(t)
	op := put(t, ns, "up", opsv1alpha1.PhaseSucceeded, someFailed)
	back := asked(t, ns, vw(t, "-n", ns, "rollback", "up", "--yes"))
	if r := back.Spec.RollbackOf; r == nil || r.Name != "up" || r.UID != string(op.UID) {
		t.Errorf("%+v", r)
	}
	says(t, vw(t, "-n", ns, "rollback", back.Name), ExitError, "", back.Name+" is itself a rollback, of up")
}

func TestFreeze(t *testing.T) {
	// Other tests have Freezes of their own.
	says(t, vw(t, "freeze", "night"), ExitError, "", "--reason: say why")
	says(t, vw(t, "freeze", "--reason", "x"), ExitError, "", "name the Freeze")
	says(t, vw(t, "freeze", "night", "--reason", "x", "--until", "yesterday"), ExitError, "", "--until: ")
	says(t, vw(t, "freeze", "night", "--reason", "x", "--types", "coffee"), ExitError, "", "--types: ")
	says(t, vw(t, "freeze", "night", "--reason", "payments are down", "--types", "upgrade"), ExitOK, "freeze.ops.vworkspace.io/night created: no Upgrade begins until vw unfreeze night\n", "")
	says(t, vw(t, "freeze", "night", "--reason", "payments are down"), ExitOK, "night is there already", "")
	says(t, vw(t, "freeze", "night", "--until", "2h"), ExitOK, "night changed: no Upgrade begins until 2030-01-02T05:04:05Z (120m)", "")
	says(t, vw(t, "freeze"), ExitOK, "payments are down", "")
	says(t, vw(t, "freeze", "-o", "jsonpath={.items[*].spec.types[*]}"), ExitOK, "Upgrade", "")
	says(t, vw(t, "unfreeze", "nigth"), ExitError, "", "there is no Freeze nigth; did you mean night?")
	says(t, vw(t, "unfreeze"), ExitError, "", "name a Freeze")
	says(t, vw(t, "unfreeze", "night"), ExitOK, "freeze.ops.vworkspace.io/night deleted", "")
}
