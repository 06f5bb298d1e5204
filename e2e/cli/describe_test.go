// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/chain"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/engines/velero"
)

// TestDescribeHealthy: an Operation of which nothing is in the way, on the hub alone, with access to the cluster, and on the cluster alone.
func TestDescribeHealthy(t *testing.T) {
	op := everyShop(t, "look-well", opsv1alpha1.EngineJob, opsv1alpha1.TypeRunCommand, shopCommand(nil), nil)
	comesTo(t, op, opsv1alpha1.PhaseSucceeded)
	everything := allContexts(t)
	for where, kubeconfig := range map[string]string{"hub": fleet.Fleet.Hub.KubeconfigPath, "hub and clusters": everything} {
		c := chainOf(t, kubeconfig, "op", op.Name, "--cluster", "spoke1")
		if c.Stop != nil {
			t.Errorf("%s: it stops at %+v", where, c.Stop)
		}
		if seen := c.Through != ""; seen != (kubeconfig == everything) {
			t.Errorf("%s: the cluster was looked at through %q", where, c.Through)
		}
		t.Logf("\n$ vw describe op look-well --cluster spoke1 # %s\n%s", where, call(t, kubeconfig, "describe", "-n", demo.Namespace, "op", op.Name, "--cluster", "spoke1").out)
	}
	t.Logf("\n$ vw describe look-well\n%s", call(t, fleet.Fleet.Hub.KubeconfigPath, "describe", "-n", demo.Namespace, op.Name).out)
	below := &opsv1alpha1.OperationList{}
	if err := onSpoke(t, fleet.Fleet.Spokes[0]).List(t.Context(), below, client.InNamespace(demo.Namespace), client.MatchingLabels{opsv1alpha1.LabelRoot: string(op.UID)}); err != nil || len(below.Items) != 1 {
		t.Fatalf("%d Operations on the cluster, want 1: %v", len(below.Items), err)
	}
	got := call(t, fleet.Fleet.Spokes[0].KubeconfigPath, "describe", "-n", demo.Namespace, below.Items[0].Name)
	if got.status != 0 || !strings.Contains(got.out, "Pod shops/") || !strings.Contains(got.out, "It has succeeded") {
		t.Errorf("on the cluster alone: %+v", got)
	}
	t.Logf("\n$ vw describe %s # on spoke1 alone\n%s", below.Items[0].Name, got.out)
}

// TestDescribeOthers: instances and clusters.
func TestDescribeOthers(t *testing.T) {
	for _, c := range []struct {
		kubeconfig string
		args       []string
		want       string
	}{
		{fleet.Fleet.Hub.KubeconfigPath, []string{"cluster", "spoke1"}, "work agent of spoke1"},
		{fleet.Fleet.Hub.KubeconfigPath, []string{"appinst", "shop-spoke1-a"}, "ManagedCluster spoke1"},
		{fleet.Fleet.Spokes[0].KubeconfigPath, []string{"appinst/shop-spoke1-a"}, "HelmRelease shops/"},
	} {
		got := call(t, c.kubeconfig, append([]string{"describe", "-n", demo.Namespace}, c.args...)...)
		if got.status != 0 || !strings.Contains(got.out, c.want) || !strings.Contains(got.out, "Nothing is in the way") {
			t.Errorf("%v: %+v, want %q in it and nothing in the way", c.args, got, c.want)
		}
		t.Logf("\n$ vw describe %s\n%s", strings.Join(c.args, " "), got.out)
	}
}

// TestDescribeFailingPod: the pod and its last words, and from the hub alone what the cluster reported.
func TestDescribeFailingPod(t *testing.T) {
	op := everyShop(t, "look-pod", opsv1alpha1.EngineJob, opsv1alpha1.TypeRunCommand,
		shopCommand(map[string]string{testbed.AnnotationOutcome: testbed.OutcomeFail, testbed.AnnotationMessage: "carts are locked"}), nil)
	comesTo(t, op, opsv1alpha1.PhaseFailed)
	args := []string{"op", op.Name, "--cluster", "spoke1"}
	stopsAt(t, allContexts(t), stop{chain.StepPart, chain.Broken, "Pod shops/look-pod", "exited with code 1: carts are locked", "logs"}, args...)
	stopsAt(t, fleet.Fleet.Hub.KubeconfigPath, stop{chain.StepClusterOperation, chain.Broken, "Operation on spoke1", "carts are locked", "--spoke-context"}, args...)
	t.Logf("\n$ vw describe look-pod\n%s", call(t, fleet.Fleet.Hub.KubeconfigPath, "describe", "-n", demo.Namespace, op.Name).out)
}

// TestDescribeHeldBack: a paused rollout.
func TestDescribeHeldBack(t *testing.T) {
	op := everyShop(t, "look-paused", opsv1alpha1.EngineJob, opsv1alpha1.TypeRunCommand, shopCommand(nil), func(s *opsv1alpha1.OperationSpec) { s.Suspend = true })
	stopsAt(t, fleet.Fleet.Hub.KubeconfigPath, stop{chain.StepPlan, chain.Waiting, "plan", "spec.suspend", "vw resume look-paused"}, "op", op.Name, "--cluster", "spoke2")
}

// TestDescribeNamespaceClosed: the namespace lost its gate label.
func TestDescribeNamespaceClosed(t *testing.T) {
	spoke1 := onSpoke(t, fleet.Fleet.Spokes[0])
	gate := func(value string) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: demo.Namespace}}
		if err := spoke1.Patch(context.Background(), ns, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"managed-by":`+value+`}}}`))); err != nil {
			t.Fatal(err)
		}
	}
	gate("null")
	t.Cleanup(func() { gate(`"vworkspace"`) })
	op := everyShop(t, "look-gate", opsv1alpha1.EngineJob, opsv1alpha1.TypeRunCommand, shopCommand(nil), nil)
	want := stop{chain.StepClusterOperation, chain.Broken, "Operation", "namespace shops is not open to vWorkspace", "on spoke1: kubectl label namespace shops managed-by=vworkspace"}
	for _, kubeconfig := range []string{allContexts(t), fleet.Fleet.Hub.KubeconfigPath} {
		stopsAt(t, kubeconfig, want, "op", op.Name, "--cluster", "spoke1")
	}
}

// TestDescribeProfile: somebody took the rights of profile velero away.
func TestDescribeProfile(t *testing.T) {
	spoke1 := onSpoke(t, fleet.Fleet.Spokes[0])
	binding := &rbacv1.RoleBinding{}
	if err := spoke1.Get(t.Context(), client.ObjectKey{Namespace: velero.DefaultNamespace, Name: opsv1alpha1.ProfileRole("velero")}, binding); err != nil {
		t.Fatal(err)
	}
	if err := spoke1.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		binding.ResourceVersion, binding.UID = "", ""
		if err := spoke1.Create(context.Background(), binding); err != nil {
			t.Error(err)
		}
	})
	op := everyShop(t, "look-rights", opsv1alpha1.EngineVelero, opsv1alpha1.TypeBackup, map[string]any{"ttl": "24h"}, nil)
	stopsAt(t, allContexts(t), stop{chain.StepInstance, chain.Broken, "instance shops/shop-spoke1-a", "velero", "on spoke1"}, "op", op.Name, "--cluster", "spoke1")
}

// TestDescribeStorage: the bucket of the only BackupStorageLocation is gone.
func TestDescribeStorage(t *testing.T) {
	spoke2 := onSpoke(t, fleet.Fleet.Spokes[1])
	locations := &velerov1.BackupStorageLocationList{}
	if err := spoke2.List(t.Context(), locations, client.InNamespace(velero.DefaultNamespace)); err != nil || len(locations.Items) != 1 {
		t.Fatalf("%d BackupStorageLocations, want 1: %v", len(locations.Items), err)
	}
	location := &locations.Items[0]
	bucket, often := location.Spec.ObjectStorage.Bucket, location.Spec.ValidationFrequency
	become := func(bucket string, often *metav1.Duration, phase velerov1.BackupStorageLocationPhase) {
		until(t, "BackupStorageLocation to be "+string(phase), func() (bool, string) {
			if err := spoke2.Get(t.Context(), client.ObjectKeyFromObject(location), location); err != nil {
				return false, err.Error()
			}
			if location.Spec.ObjectStorage.Bucket != bucket {
				location.Spec.ObjectStorage.Bucket, location.Spec.ValidationFrequency = bucket, &metav1.Duration{Duration: time.Second}
				return false, errorText(spoke2.Update(t.Context(), location))
			}
			return location.Status.Phase == phase, string(location.Status.Phase)
		})
		location.Spec.ValidationFrequency = often
		if err := spoke2.Update(t.Context(), location); err != nil {
			t.Log(err)
		}
	}
	become("no-such-bucket", &metav1.Duration{Duration: time.Second}, velerov1.BackupStorageLocationPhaseUnavailable)
	op := everyShop(t, "look-storage", opsv1alpha1.EngineVelero, opsv1alpha1.TypeBackup, map[string]any{"ttl": "24h"}, nil)
	stopsAt(t, allContexts(t), stop{chain.StepPart, chain.Broken, "BackupStorageLocation velero/", "no BackupStorageLocation is Available", "kubectl -n velero get backupstoragelocations on spoke2"},
		"op", op.Name, "--cluster", "spoke2")
	stopsAt(t, fleet.Fleet.Hub.KubeconfigPath, stop{chain.StepClusterOperation, chain.Broken, "Operation on spoke2", "VeleroStorageLocationUnavailable", "backupstoragelocations on spoke2"},
		"op", op.Name, "--cluster", "spoke2")
	become(bucket, often, velerov1.BackupStorageLocationPhaseAvailable)
	comesTo(t, op, opsv1alpha1.PhaseSucceeded)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestDescribeChartVersion: a version that nobody published.
func TestDescribeChartVersion(t *testing.T) {
	before := everyShop(t, "look-chart", opsv1alpha1.EngineHelm, opsv1alpha1.TypeUpgrade, map[string]any{"targetVersion": "9.9.9"}, nil)
	comesTo(t, before, opsv1alpha1.PhaseFailed)
	stopsAt(t, allContexts(t), stop{chain.StepEngine, chain.Broken, "HelmRelease shops/", "9.9.9", "publish that version"}, "op", before.Name, "--cluster", "spoke1")
	t.Logf("\n$ vw logs op look-chart --cluster spoke1\n%s", call(t, allContexts(t), "logs", "-n", demo.Namespace, "op", before.Name, "--cluster", "spoke1").out)
	back := everyShop(t, "look-chart-back", opsv1alpha1.EngineHelm, opsv1alpha1.TypeUpgrade, map[string]any{"targetVersion": "1.0.0"}, nil)
	comesTo(t, back, opsv1alpha1.PhaseSucceeded)
}

// TestDescribeWorkflow: a runbook that fails at a step.
func TestDescribeWorkflow(t *testing.T) {
	op := everyShop(t, "look-runbook", opsv1alpha1.EngineWorkflow, opsv1alpha1.TypeRunbook, map[string]any{"workflowTemplate": "no-such-runbook"}, nil)
	stopsAt(t, allContexts(t), stop{chain.StepInstance, chain.Broken, "instance shops/shop-spoke3-a", "no-such-runbook", "create the WorkflowTemplate on spoke3"}, "op", op.Name, "--cluster", "spoke3")
}

// TestDescribeAgentStopped: the cluster takes what is sent to it, and nobody takes it up.
func TestDescribeAgentStopped(t *testing.T) {
	agent := fleet.Installed.Agents["spoke3"]
	if err := agent.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := agent.Restart(); err != nil {
			t.Error(err)
		}
	})
	op := everyShop(t, "look-agent", opsv1alpha1.EngineJob, opsv1alpha1.TypeRunCommand, shopCommand(nil), func(s *opsv1alpha1.OperationSpec) {
		s.StartDeadline = &metav1.Duration{Duration: 20 * time.Second}
	})
	stopsAt(t, fleet.Fleet.Hub.KubeconfigPath, stop{chain.StepAgent, chain.Waiting, "vWorkspace agent of spoke3", "has not taken it up", "wait"}, "op", op.Name, "--cluster", "spoke3")
	comesTo(t, op, opsv1alpha1.PhaseFailed)
	stopsAt(t, fleet.Fleet.Hub.KubeconfigPath, stop{chain.StepAgent, chain.Broken, "vWorkspace agent of spoke3", "the hub gave up on spoke3", "kubectl -n vworkspace-agent get pods"},
		"op", op.Name, "--cluster", "spoke3")
}

// TestDescribeWorkAgentStopped: the klusterlet is dead, and its lease tells. Open Cluster Management's own minute is a second here.
func TestDescribeWorkAgentStopped(t *testing.T) {
	cluster := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: "spoke2"}}
	every := func(seconds string) {
		if err := fleet.Hub.Patch(context.Background(), cluster, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"leaseDurationSeconds":`+seconds+`}}`))); err != nil {
			t.Fatal(err)
		}
	}
	// It is planned while the cluster is there: a Placement leaves out what is not available.
	op := everyShop(t, "look-lease", opsv1alpha1.EngineJob, opsv1alpha1.TypeRunCommand, shopCommand(nil), func(s *opsv1alpha1.OperationSpec) { s.Suspend = true })
	until(t, "the plan", func() (bool, string) {
		err := fleet.Hub.Get(t.Context(), client.ObjectKeyFromObject(op), op)
		return err == nil && op.Status.Plan != nil, demo.Line(op)
	})
	every("1")
	klusterlet := fleet.Fleet.Process("spoke2-klusterlet")
	if err := klusterlet.Stop(); err != nil {
		t.Fatal(err)
	}
	back := func() error {
		every("60")
		return klusterlet.Restart()
	}
	t.Cleanup(func() {
		if t.Failed() {
			_ = back()
		}
	})
	if err := fleet.Hub.Patch(t.Context(), op, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"suspend":false}}`))); err != nil {
		t.Fatal(err)
	}
	stopsAt(t, fleet.Fleet.Hub.KubeconfigPath, stop{chain.StepWorkAgent, chain.Broken, "work agent of spoke2", "the work agent of spoke2 has not renewed its lease for", "kubectl -n open-cluster-management-agent get pods"},
		"op", op.Name, "--cluster", "spoke2")
	stopsAt(t, fleet.Fleet.Hub.KubeconfigPath, stop{chain.StepWorkAgent, chain.Broken, "work agent of spoke2", "has not renewed its lease", ""}, "cluster", "spoke2")
	if err := back(); err != nil {
		t.Fatal(err)
	}
	comesTo(t, op, opsv1alpha1.PhaseSucceeded)
	until(t, "spoke2 to be available again", func() (bool, string) {
		err := fleet.Hub.Get(t.Context(), client.ObjectKeyFromObject(cluster), cluster)
		return err == nil && meta.IsStatusConditionTrue(cluster.Status.Conditions, clusterv1.ManagedClusterConditionAvailable), "not available"
	})
}
