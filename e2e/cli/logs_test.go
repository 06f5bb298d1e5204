// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/testbed"
)

// logsOf prints the logs of an Operation on spoke1, with access to it.
func logsOf(t *testing.T, op *opsv1alpha1.Operation, more ...string) result {
	t.Helper()
	args := append([]string{"logs", "-n", demo.Namespace, "op", op.Name, "--cluster", "spoke1"}, more...)
	got := call(t, allContexts(t), args...)
	shown := strings.SplitN(got.out, "\n", 6)
	if len(shown) == 6 {
		shown[5] = "...\n"
	}
	t.Logf("\n$ vw %s\n%s%s(exit status %d)", strings.Join(args, " "), strings.Join(shown, "\n"), got.errOut, got.status)
	return got
}

// fakeKubelet answers the API server of spoke1 for logs of pods as a kubelet would: KWOK's pods run no containers, so that nobody has logs of them. The node's name, by
// which the API server would look for it first, is known to no DNS.
func fakeKubelet(t *testing.T) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/") // containerLogs/NAMESPACE/POD/CONTAINER
		if len(parts) != 4 || parts[0] != "containerLogs" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, "carts of %s\nall cleared (tail %s)\n", parts[2], r.URL.Query().Get("tailLines"))
	}))
	t.Cleanup(server.Close)
	spoke1 := onSpoke(t, fleet.Fleet.Spokes[0])
	nodes := &corev1.NodeList{}
	if err := spoke1.List(t.Context(), nodes); err != nil || len(nodes.Items) != 1 {
		t.Fatalf("%d nodes, want 1: %v", len(nodes.Items), err)
	}
	port := server.Listener.Addr().(*net.TCPAddr).Port
	patch := fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}],"daemonEndpoints":{"kubeletEndpoint":{"Port":%d}}}}`, port)
	if err := spoke1.Status().Patch(t.Context(), &nodes.Items[0], client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// TestLogsOfJob: the pods' logs, and without a kubelet what their status has kept.
func TestLogsOfJob(t *testing.T) {
	failing := everyShop(t, "hear-fail", opsv1alpha1.EngineJob, opsv1alpha1.TypeRunCommand,
		shopCommand(map[string]string{testbed.AnnotationOutcome: testbed.OutcomeFail, testbed.AnnotationMessage: "carts are locked"}), nil)
	comesTo(t, failing, opsv1alpha1.PhaseFailed)
	got := logsOf(t, failing)
	if got.status != 1 || !strings.Contains(got.errOut, "the kubelet of node") || !strings.Contains(got.errOut, "its status has kept: exit code 1: carts are locked") {
		t.Errorf("without a kubelet: %+v", got)
	}
	fakeKubelet(t)
	if got := logsOf(t, failing, "--tail", "7"); got.status != 0 || !strings.Contains(got.out, "all cleared (tail 7)") {
		t.Errorf("with a kubelet: %+v", got)
	}
	slow := everyShop(t, "hear-slow", opsv1alpha1.EngineJob, opsv1alpha1.TypeRunCommand, shopCommand(map[string]string{testbed.AnnotationDuration: "4s"}), nil)
	until(t, "spoke1 to begin", begun(t, slow))
	if got := logsOf(t, slow, "-f"); got.status != 0 || !strings.Contains(got.out, "carts of hear-slow") {
		t.Errorf("followed: %+v", got)
	}
	hub := call(t, fleet.Fleet.Hub.KubeconfigPath, "logs", "-n", demo.Namespace, failing.Name, "--cluster", "spoke1")
	if hub.status != 1 || hub.out != "" || !strings.Contains(hub.errOut, "The hub has no logs. spoke1 has reported: failed") || !strings.Contains(hub.errOut, "--spoke-context") {
		t.Errorf("from the hub alone: %+v", hub)
	}
	if got := call(t, allContexts(t), "logs", "-n", demo.Namespace, failing.Name); got.status != 1 || !strings.Contains(got.errOut, "runs on 3 clusters: say which by --cluster (spoke1, spoke2, spoke3); it failed on spoke1") {
		t.Errorf("without a cluster: %+v", got)
	}
}

// TestLogsOfVelero: Velero's own log, out of its storage, of a backup and of a restore.
func TestLogsOfVelero(t *testing.T) {
	backup := everyShop(t, "hear-backup", opsv1alpha1.EngineVelero, opsv1alpha1.TypeBackup, map[string]any{"ttl": "24h"}, nil)
	comesTo(t, backup, opsv1alpha1.PhaseSucceeded)
	if got := logsOf(t, backup); got.status != 0 || !strings.Contains(got.out, "Setting up backup") {
		t.Errorf("the log of the backup: %+v", got)
	}
	if got := logsOf(t, backup, "--tail", "2"); got.status != 0 || strings.Count(got.out, "\n") != 2 {
		t.Errorf("its last two lines: %+v", got)
	}
	restore := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: "hear-restore"}}
	restore.Spec.Type, restore.Spec.Engine = opsv1alpha1.TypeRestore, opsv1alpha1.EngineVelero
	restore.Spec.TargetRef = &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "shop-spoke1-a"}
	restore.Spec.Parameters = restoreOf(t, backup)
	if err := fleet.Hub.Create(t.Context(), restore); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fleet.Hub.Delete(context.Background(), restore) })
	comesTo(t, restore, opsv1alpha1.PhaseSucceeded)
	// It runs on one cluster, so that none need be named.
	got := call(t, allContexts(t), "logs", "-n", demo.Namespace, restore.Name)
	if got.status != 0 || !strings.Contains(strings.ToLower(got.out), "restor") {
		t.Errorf("the log of the restore: %+v", got)
	}
	leftovers(t)
}

// TestLogsOfOthers: what Flux says of a release, and the pods of a hook and of a workflow.
func TestLogsOfOthers(t *testing.T) {
	upgrade := everyShop(t, "hear-helm", opsv1alpha1.EngineHelm, opsv1alpha1.TypeUpgrade, map[string]any{"targetVersion": "1.1.0"}, nil)
	comesTo(t, upgrade, opsv1alpha1.PhaseSucceeded)
	if got := logsOf(t, upgrade); got.status != 0 || !strings.Contains(got.out, "shop 1.1.0 is deployed") || !strings.Contains(got.out, "event Normal") {
		t.Errorf("of Helm: %+v", got)
	}
	fakeKubelet(t)
	hook := everyShop(t, "hear-hook", opsv1alpha1.EngineHelmHookJob, opsv1alpha1.TypeMigration, map[string]any{"event": "post-upgrade"}, nil)
	comesTo(t, hook, opsv1alpha1.PhaseSucceeded)
	if got := logsOf(t, hook); got.status != 0 || !strings.Contains(got.out, "carts of hear-hook") {
		t.Errorf("of a hook: %+v", got)
	}
	runbook := everyShop(t, "hear-runbook", opsv1alpha1.EngineWorkflow, opsv1alpha1.TypeRunbook, map[string]any{"workflowTemplate": "take-stock"}, nil)
	comesTo(t, runbook, opsv1alpha1.PhaseSucceeded)
	if got := logsOf(t, runbook); got.status != 0 || !strings.Contains(got.out, "carts of hear-runbook") {
		t.Errorf("of a workflow: %+v", got)
	}
}

// begun tells whether spoke1 has an Operation for an instance of the run.
func begun(t *testing.T, op *opsv1alpha1.Operation) func() (bool, string) {
	spoke1 := onSpoke(t, fleet.Fleet.Spokes[0])
	return func() (bool, string) {
		list := &opsv1alpha1.OperationList{}
		err := spoke1.List(t.Context(), list, client.InNamespace(demo.Namespace), client.MatchingLabels{opsv1alpha1.LabelRoot: string(op.UID)})
		return len(list.Items) > 0, errorText(err)
	}
}

// restoreOf the backup of the shop on spoke1.
func restoreOf(t *testing.T, backup *opsv1alpha1.Operation) *runtime.RawExtension {
	t.Helper()
	list := &opsv1alpha1.OperationList{}
	if err := onSpoke(t, fleet.Fleet.Spokes[0]).List(t.Context(), list, client.InNamespace(demo.Namespace), client.MatchingLabels{opsv1alpha1.LabelRoot: string(backup.UID)}); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		for _, r := range list.Items[i].Status.Resources {
			if r.Kind == "Backup" {
				return &runtime.RawExtension{Raw: []byte(`{"backupName":"` + r.Name + `","includedResources":["configmaps"]}`)}
			}
		}
	}
	t.Fatalf("none of %d Operations has made a Backup", len(list.Items))
	return nil
}

// leftovers: whoever asked for a log has taken the request away.
func leftovers(t *testing.T) {
	t.Helper()
	list := &velerov1.DownloadRequestList{}
	if err := onSpoke(t, fleet.Fleet.Spokes[0]).List(t.Context(), list); err != nil || len(list.Items) != 0 {
		t.Errorf("%d DownloadRequests are left: %v", len(list.Items), err)
	}
}
