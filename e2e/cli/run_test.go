// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/testbed"
)

// shops' command, in every test of this file.
const image = "registry.example.com/shop:1.0.0"

// inShops is a call of vw in the shops' namespace.
func inShops(t *testing.T, args ...string) result {
	t.Helper()
	return vw(t, append([]string{"-n", demo.Namespace}, args...)...)
}

// expect a status, and that something was printed.
func expect(t *testing.T, got result, status int, printed ...string) {
	t.Helper()
	for _, want := range printed {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q was not printed", want)
		}
	}
	if got.status != status {
		t.Errorf("exit status %d, want %d", got.status, status)
	}
	if t.Failed() {
		t.Fatalf("printed\n%s\nsaid\n%s", got.out, got.errOut)
	}
}

// made is the name of the Operation that a call says that it made.
func made(t *testing.T, got result) string {
	t.Helper()
	line, _, _ := strings.Cut(got.out, "\n")
	name, found := strings.CutSuffix(strings.TrimPrefix(line, "operation.ops.vworkspace.io/"), " created")
	if !found {
		t.Fatalf("made nothing: %+v", got)
	}
	return name
}

// reaches waits until an Operation of the hub is as wanted.
func reaches(t *testing.T, name, what string, ok func(*opsv1alpha1.Operation) bool) *opsv1alpha1.Operation {
	t.Helper()
	op := &opsv1alpha1.Operation{}
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		err := fleet.Hub.Get(ctx, client.ObjectKey{Namespace: demo.Namespace, Name: name}, op)
		return err == nil && ok(op), client.IgnoreNotFound(err)
	})
	if err != nil {
		status, _ := json.MarshalIndent(op.Status, "", " ")
		t.Fatalf("Operation %s is not %s: %v\n%s", name, what, err, status)
	}
	return op
}

func phase(p opsv1alpha1.OperationPhase) func(*opsv1alpha1.Operation) bool {
	return func(op *opsv1alpha1.Operation) bool { return op.Status.Phase == p }
}

// heldBy tells whether an Operation waits for a reason.
func heldBy(reason string) func(*opsv1alpha1.Operation) bool {
	return func(op *opsv1alpha1.Operation) bool { return demo.Held(op) == reason }
}

// TestRunEverywhere: a command in every shop of the fleet, first as a dry run, then for good.
func TestRunEverywhere(t *testing.T) {
	run := []string{"exec", "--placement", demo.Placement, "--app", "shop", "--image", image}
	command := []string{"--", "shop", "carts", "clear"}
	got := inShops(t, append(append(run, "--dry-run"), command...)...)
	expect(t, got, 0, "ORDER", "spoke1", "spoke2", "spoke3", "Run")
	got = inShops(t, append(append(run, "--dry-run=clusters", "-o", "jsonpath={.clusters[*].state}"), command...)...)
	expect(t, got, 0, "succeeded succeeded succeeded")
	got = inShops(t, append(append(run, "--wait"), command...)...)
	expect(t, got, 0, "Succeeded 3/3 AllSucceeded")
	if want := "shop is 6 instances, by catalog id\n"; got.errOut != want {
		t.Errorf("said %q, want %q", got.errOut, want)
	}
	op := reaches(t, made(t, got), "done", phase(opsv1alpha1.PhaseSucceeded))
	if op.Status.Summary.Instances.Succeeded != 6 {
		t.Errorf("%+v", op.Status.Summary.Instances)
	}
	expect(t, inShops(t, "plan", op.Name), 0, "ORDER", "spoke3", "succeeded")
}

// TestRunOnSome: on clusters by name, and on one instance.
func TestRunOnSome(t *testing.T) {
	got := inShops(t, "exec", "--cluster", "spoke1", "--cluster", "spoke3", "--all", "--image", image, "--wait", "--", "true")
	expect(t, got, 0, "Succeeded 2/2")
	name := made(t, got)
	expect(t, inShops(t, "plan", name, "-o", "jsonpath={.clusters[*].cluster}"), 0, "spoke1 spoke3")
	if err := fleet.Hub.Delete(t.Context(), &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: name}}); err != nil {
		t.Fatal(err)
	}
	for dryRun, want := range map[string]string{"hub": "Run", "clusters": "succeeded"} {
		expect(t, inShops(t, "exec", "--app", "shop-spoke2-b", "--image", image, "--dry-run="+dryRun, "--", "true"), 0, "spoke2", want)
	}
	got = inShops(t, "exec", "--app", "shop-spoke2-b", "--image", image, "--wait", "--", "true")
	expect(t, got, 0, "Succeeded 1/1")
}

// TestRunOnASpoke: the same, on a cluster alone.
func TestRunOnASpoke(t *testing.T) {
	spoke := fleet.Fleet.Spokes[0]
	got := call(t, spoke.KubeconfigPath, "-n", demo.Namespace, "exec", "--app", "shop-spoke1-a", "--image", image, "--wait", "--", "true")
	expect(t, got, 0, "Succeeded")
	got = call(t, spoke.KubeconfigPath, "-n", demo.Namespace, "exec", "--all", "--image", image, "--wait", "--", "true")
	expect(t, got, 0, "Succeeded 2/2")
	expect(t, call(t, spoke.KubeconfigPath, "-n", demo.Namespace, "exec", "--all", "--image", image, "--dry-run", "--", "true"), 0)
	got = call(t, spoke.KubeconfigPath, "-n", demo.Namespace, "backup", "--placement", "everywhere")
	if got.status != 1 || !strings.Contains(got.errOut, "--placement: this cluster is no hub") {
		t.Errorf("%+v", got)
	}
}

// oneByOne is a Placement of all clusters, each a decision group of its own.
func oneByOne(t *testing.T) string {
	t.Helper()
	p := &clusterv1beta1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: "one-by-one-" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))}}
	p.Spec.DecisionStrategy.GroupStrategy.ClustersPerDecisionGroup = intstr.FromInt32(1)
	if err := fleet.Hub.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fleet.Hub.Delete(context.Background(), p) })
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		err := fleet.Hub.Get(ctx, client.ObjectKeyFromObject(p), p)
		return len(p.Status.DecisionGroups) == clusters, err
	})
	if err != nil {
		t.Fatalf("Placement %s is not decided: %v", p.Name, err)
	}
	return p.Name
}

// TestCanaryUpgrade: a canary first, then the others, and all of it put back.
func TestCanaryUpgrade(t *testing.T) {
	placement := oneByOne(t)
	expect(t, inShops(t, "upgrade", "--placement", placement, "--app", "shop", "--target-version", "1.0.0", "--wait"), 0, "Succeeded 3/3") // whatever was done to them before
	versions(t, "1.0.0")
	got := inShops(t, "upgrade", "--placement", placement, "--app", "shop", "--target-version", "1.1.0", "--canary", "1", "--max-concurrency", "2", "--soak", "1s", "--wait")
	expect(t, got, 0, "Running   0/3", "Succeeded 3/3")
	name := made(t, got)
	op := reaches(t, name, "done", phase(opsv1alpha1.PhaseSucceeded))
	if by := op.Status.Rollout.ByGroup; len(by) != clusters || by[0].FinishedAt == nil || by[1].StartedAt.Before(by[0].FinishedAt) {
		t.Errorf("the canary was not first: %+v", by)
	}
	versions(t, "1.1.0")
	expect(t, inShops(t, "rollback", name, "--wait"), 0, "Succeeded 3/3")
	versions(t, "1.0.0")
}

// versions of all shops, as the hub sees them.
func versions(t *testing.T, want string) {
	t.Helper()
	var seen []string
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		list := &appsv1alpha1.ApplicationInstanceList{}
		err := fleet.Hub.List(ctx, list, client.InNamespace(demo.Namespace))
		seen = nil
		for _, i := range list.Items {
			if c := i.Status.LastAppliedChart; c == nil || c.Version != want {
				seen = append(seen, fmt.Sprintf("%s: %+v", i.Name, c))
			}
		}
		return err == nil && len(list.Items) > 0 && len(seen) == 0, err
	})
	if err != nil {
		t.Fatalf("not all shops have version %s: %v: %v", want, err, seen)
	}
}

// hanging is a command that runs until it is stopped.
func hanging(more ...string) []string {
	return append([]string{"exec", "--placement", demo.Placement, "--app", "shop", "--image", image, "--pod-annotations", testbed.AnnotationDuration + "=1h"}, more...)
}

// TestPauseResumeCancel: no other cluster is started, until it is again; and then what runs is stopped.
func TestPauseResumeCancel(t *testing.T) {
	name := made(t, inShops(t, hanging("--max-concurrency", "1", "--", "shop", "sleep")...))
	started := func(n int32) func(*opsv1alpha1.Operation) bool {
		return func(op *opsv1alpha1.Operation) bool {
			return op.Status.Rollout != nil && op.Status.Rollout.Started == n && op.Status.Phase == opsv1alpha1.PhaseRunning
		}
	}
	reaches(t, name, "at work on a cluster", started(1))
	expect(t, inShops(t, "pause", name), 0, name+" paused")
	reaches(t, name, "suspended", func(op *opsv1alpha1.Operation) bool {
		return op.Status.ObservedGeneration == op.Generation && op.Status.Rollout.Started == 1
	})
	expect(t, inShops(t, "pause", name), 0, name+" is paused already")
	expect(t, inShops(t, "resume", name), 0, name+" resumed")
	expect(t, inShops(t, "cancel", name), 0, name+" cancelled")
	op := reaches(t, name, "cancelled", phase(opsv1alpha1.PhaseCancelled))
	if c := op.Status.Summary.Clusters; c.Cancelled != clusters {
		t.Errorf("%+v", c)
	}
	got := inShops(t, "pause", name)
	if got.status != 1 || !strings.Contains(got.errOut, "has ended (Cancelled)") {
		t.Errorf("%+v", got)
	}
}

// TestSuspended: what was made suspended begins when it is resumed.
func TestSuspended(t *testing.T) {
	name := made(t, inShops(t, "exec", "--placement", demo.Placement, "--app", "shop", "--image", image, "--suspend", "--", "true"))
	reaches(t, name, "suspended", heldBy(opsv1alpha1.ReasonSuspended))
	expect(t, inShops(t, "resume", name), 0, name+" resumed")
	reaches(t, name, "done", phase(opsv1alpha1.PhaseSucceeded))
}

// TestRetryFailed: a runbook is mistyped on a cluster, so that the rollout halts; it is mended and tried again, while the run goes on and after one has ended.
func TestRetryFailed(t *testing.T) {
	run := []string{"runbook", "--app", "shop", "--workflow-template", "take-stock", "--max-concurrency", "1"}
	t.Run("halted", func(t *testing.T) {
		mistype(t, true)
		name := made(t, inShops(t, append(run, "--placement", demo.Placement)...))
		reaches(t, name, "halted", heldBy(opsv1alpha1.ReasonRolloutHalted))
		mistype(t, false)
		expect(t, inShops(t, "retry", name, "--failed", "--wait"), 0, name+" tries again (attempt 1): clusters that failed", "Succeeded 3/3")
	})
	t.Run("ended", func(t *testing.T) {
		mistype(t, true)
		got := inShops(t, append(run, "--placement", demo.Placement, "--on-breach", "continue", "--wait")...)
		expect(t, got, 2, "Failed    3/3 SomeFailed", "  spoke2: ")
		name := made(t, got)
		if !strings.Contains(got.errOut, "vw retry "+name) {
			t.Errorf("no way on: %s", got.errOut)
		}
		mistype(t, false)
		got = inShops(t, "retry", name, "--failed", "--wait")
		expect(t, got, 0, "Succeeded 1/1")
		expect(t, inShops(t, "plan", made(t, got), "-o", "jsonpath={.clusters[*].cluster}"), 0, "spoke2")
	})
}

// mistype the step of a runbook on spoke2, or put it right; it is right after the test.
func mistype(t *testing.T, wrong bool) {
	t.Helper()
	c, err := client.New(fleet.Fleet.Spokes[1].Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	write := func(ctx context.Context, step string) error {
		w := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate"}}
		w.SetNamespace(demo.Namespace)
		w.SetName("take-stock")
		patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/templates/0/steps/0/0/template","value":%q}]`, step)
		return c.Patch(ctx, w, client.RawPatch(types.JSONPatchType, []byte(patch)))
	}
	step := "shop"
	if wrong {
		step = "shpo"
		t.Cleanup(func() { _ = write(context.Background(), "shop") })
	}
	if err := write(t.Context(), step); err != nil {
		t.Fatal(err)
	}
}

// TestApproveAndFreeze: what waits for a person, or for the end of a Freeze, goes on by one command.
func TestApproveAndFreeze(t *testing.T) {
	name := made(t, inShops(t, "exec", "--placement", demo.Placement, "--app", "shop", "--image", image, "--require-approval", "--", "true"))
	reaches(t, name, "waiting for an approval", heldBy(opsv1alpha1.ReasonAwaitingApproval))
	expect(t, inShops(t, "freeze", "run-test", "--reason", "a test", "--types", "exec", "--until", "1h"), 0, "created: no RunCommand begins until")
	t.Cleanup(func() {
		_ = fleet.Hub.Delete(context.Background(), &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: "run-test"}})
	})
	expect(t, inShops(t, "approve", name), 0, name+" approved by ")
	reaches(t, name, "frozen", heldBy(opsv1alpha1.ReasonFrozen))
	expect(t, inShops(t, "freeze"), 0, "run-test", "a test")
	expect(t, inShops(t, "unfreeze", "run-test"), 0, "deleted")
	reaches(t, name, "done", phase(opsv1alpha1.PhaseSucceeded))
}

// TestApproveGroups: each group but the first waits for a person.
func TestApproveGroups(t *testing.T) {
	name := made(t, inShops(t, "exec", "--placement", oneByOne(t), "--app", "shop", "--image", image, "--gate", "--", "true"))
	for i := range clusters - 1 {
		reaches(t, name, "waiting for a person", heldBy(opsv1alpha1.ReasonAwaitingGroupApproval))
		got := inShops(t, "approve", name, "--group", "nine")
		if got.status != 1 || !strings.Contains(got.errOut, "has no group nine: it has 0, 1, 2") {
			t.Errorf("%+v", got)
		}
		expect(t, inShops(t, "approve", name), 0, "approved: it begins in its turn")
		reaches(t, name, "on its way", func(op *opsv1alpha1.Operation) bool { return int(op.Status.Rollout.Started) > i+1 })
	}
	reaches(t, name, "done", phase(opsv1alpha1.PhaseSucceeded))
}
