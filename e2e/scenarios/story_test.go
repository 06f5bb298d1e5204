// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
)

// TestStory is the main job: what `make demo` shows, looked at from closer by.
func TestStory(t *testing.T) {
	report, err := fleet.Play(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Operations) != 8 {
		t.Fatalf("%d Operations, want 8", len(report.Operations))
	}
	t.Run("counts", func(t *testing.T) { storyCounts(t, report) })
	t.Run("cause", func(t *testing.T) { storyCause(t, report.Operations[7]) })
	t.Run("retried", func(t *testing.T) { storyRetried(t, report.Operations[5]) })
	t.Run("kubectl", storyKubectl)
	t.Run("charts", storyCharts)
	t.Run("hub follows", storyHubFollows)
	t.Run("mended", storyMended)
	t.Run("one of each", func(t *testing.T) {
		var op opsv1alpha1.Operation
		if err := fleet.Hub.Get(t.Context(), client.ObjectKey{Namespace: demo.Namespace, Name: report.Operations[0].Name}, &op); err != nil {
			t.Fatal(err)
		}
		onePerCluster(t, &op)
		oneJobPerInstance(t, &op)
	})
}

func storyCounts(t *testing.T, report demo.Report) {
	engines := map[opsv1alpha1.OperationEngine]bool{}
	for _, o := range report.Operations {
		engines[o.Engine] = true
		onClusters, instances, succeeded := int32(clusters), int32(clusters*perCluster), int32(clusters*perCluster)
		switch o.Name {
		case "restore-settings":
			onClusters, instances, succeeded = 1, 1, 1
		case "upgrade-to-1-2-0":
			succeeded -= perCluster
		}
		if o.Clusters.Total != onClusters || o.Clusters.Done() != onClusters {
			t.Errorf("%s: %d of %d clusters done, want all of %d", o.Name, o.Clusters.Done(), o.Clusters.Total, onClusters)
		}
		if o.Instances.Total != instances || o.Instances.Succeeded != succeeded {
			t.Errorf("%s: %d of %d instances succeeded, want %d of %d", o.Name, o.Instances.Succeeded, o.Instances.Total, succeeded, instances)
		}
	}
	if len(engines) != 5 {
		t.Errorf("the story has Operations of %d engines, want 5", len(engines))
	}
}

// storyCause: the hub says which cluster failed, and why in the chart's own words.
func storyCause(t *testing.T, o demo.OperationReport) {
	if len(o.Failures) != 1 {
		t.Fatalf("%d failures, want 1: %+v", len(o.Failures), o.Failures)
	}
	f := o.Failures[0]
	if f.Name != "spoke3" || !strings.Contains(f.Message, "no longer supports storageClass legacy-hdd") {
		t.Errorf("failure %+v does not name spoke3 and the chart's cause", f)
	}
	if !strings.Contains(o.Message, "spoke3") {
		t.Errorf("the message %q does not name the cluster", o.Message)
	}
}

// storyRetried: a rollout that had halted has gone on, and has kept what a cluster had come to before.
func storyRetried(t *testing.T, o demo.OperationReport) {
	if o.Retries != 1 || len(o.Failures) != 0 {
		t.Errorf("%s was retried %d times, want once, and has failures %+v", o.Name, o.Retries, o.Failures)
	}
	if out := kubectl(t, "get", "configmaps", "-o", "name"); strings.Count(out, "-before-1-") == 0 {
		t.Errorf("no ConfigMap holds what was before the retry:\n%s", out)
	}
}

// storyKubectl: what a person used to kubectl sees.
func storyKubectl(t *testing.T) {
	kubectl(t, "wait", "--for=condition=Succeeded", "operation/clear-carts", "--timeout=5s")
	kubectl(t, "wait", "--for=condition=Failed", "operation/upgrade-to-1-2-0", "--timeout=5s")
	out := kubectl(t, "get", "operations")
	t.Log("\n" + out)
	for _, want := range []string{"DONE", "3/3", "AllSucceeded", "SomeFailed"} {
		if !strings.Contains(out, want) {
			t.Errorf("kubectl get operations does not show %q:\n%s", want, out)
		}
	}
	t.Log("\n" + kubectl(t, "get", "appinst"))
}

// storyCharts: what Helm really deployed on every cluster.
func storyCharts(t *testing.T) {
	for i, c := range fleet.Fleet.Spokes {
		want := "1.2.0"
		if i == len(fleet.Fleet.Spokes)-1 {
			want = "1.1.0"
		}
		list := unstructured.UnstructuredList{}
		list.SetGroupVersionKind(helmv2.GroupVersion.WithKind("HelmReleaseList"))
		if err := spoke(t, c).List(t.Context(), &list, client.InNamespace(demo.Namespace)); err != nil {
			t.Fatal(err)
		}
		if len(list.Items) != perCluster {
			t.Errorf("%d HelmReleases on %s, want %d", len(list.Items), c.Name, perCluster)
		}
		for _, release := range list.Items {
			if got := deployed(release.Object); got != want {
				t.Errorf("%s on %s runs chart %q, want %s", release.GetName(), c.Name, got, want)
			}
		}
	}
}

// deployed is the chart version of the newest revision that Helm calls deployed.
func deployed(release map[string]any) string {
	history, _, _ := unstructured.NestedSlice(release, "status", "history")
	for _, entry := range history {
		if m, ok := entry.(map[string]any); ok && m["status"] == "deployed" {
			version, _, _ := strings.Cut(fmt.Sprint(m["chartVersion"]), "+")
			return version
		}
	}
	return ""
}

// storyMended: the cluster that could not take the new version is put right by an Upgrade back to what it runs.
func storyMended(t *testing.T) {
	op := fleetOperation("back-to-1-1-0", func(s *opsv1alpha1.OperationSpec) {
		s.Type, s.Engine = opsv1alpha1.TypeUpgrade, opsv1alpha1.EngineHelm
		s.Selector = &opsv1alpha1.InstanceSelector{Names: []string{"shop-spoke3-a", "shop-spoke3-b"}, Required: false}
	}, map[string]any{"targetVersion": "1.1.0"})
	create(t, op)
	ended(t, op, opsv1alpha1.PhaseSucceeded)
	eventually(t, "all instances to be Ready again", allReady)
}

// allReady tells whether the hub sees every instance Ready.
func allReady(ctx context.Context) (bool, string) {
	var list appsv1alpha1.ApplicationInstanceList
	if err := fleet.Hub.List(ctx, &list, client.InNamespace(demo.Namespace)); err != nil {
		return false, err.Error()
	}
	var not []string
	for _, instance := range list.Items {
		if instance.Status.Ready != metav1.ConditionTrue {
			not = append(not, fmt.Sprintf("%s: %s: %s", instance.Name, instance.Status.ReadyReason, instance.Status.ReadyMessage))
		}
	}
	return len(not) == 0 && len(list.Items) == clusters*perCluster, strings.Join(not, "; ")
}

// storyHubFollows: an Upgrade moved the versions on the spokes; the hub's own instances follow, so that the next edit there downgrades nobody.
func storyHubFollows(t *testing.T) {
	eventually(t, "the hub's instances to follow the upgrade", func(ctx context.Context) (bool, string) {
		var list appsv1alpha1.ApplicationInstanceList
		if err := fleet.Hub.List(ctx, &list, client.InNamespace(demo.Namespace)); err != nil {
			return false, err.Error()
		}
		var seen []string
		ok := len(list.Items) == clusters*perCluster
		for _, instance := range list.Items {
			want, ready := "1.2.0", metav1.ConditionTrue
			if instance.Status.Cluster == "spoke3" {
				want, ready = "1.1.0", metav1.ConditionFalse // rolled back, and says so
			}
			running := instance.Status.LastAppliedChart
			seen = append(seen, fmt.Sprintf("%s: spec %s ready %s %s", instance.Name, instance.Spec.Chart.Version, instance.Status.Ready, instance.Status.ReadyReason))
			ok = ok && instance.Spec.Chart.Version == want && running != nil && running.Version == want && instance.Status.Ready == ready
		}
		return ok, strings.Join(seen, "; ")
	})
}
