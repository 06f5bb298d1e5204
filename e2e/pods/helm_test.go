// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// helm: shops are delivered from the hub and installed by Flux on every spoke, then all are upgraded by one Operation, with the chart's own hook before;
// and a hook of the chart is run on demand.
func helm(t *testing.T) {
	shopsEverywhere(t)
	op := shops("upgrade-shops", opsv1alpha1.TypeUpgrade, `{"targetVersion": "1.1.0"}`)
	operate(t, op)
	for _, spoke := range fleet.Spokes {
		shopReady(t, spoke, "1.1.0")
		hookRanBefore(t, spoke)
	}

	for _, spoke := range fleet.Spokes {
		mayReadRecords(t, spoke)
	}
	operate(t, shops("migrate-shops", opsv1alpha1.TypeMigration, `{"event": "test"}`))
	for _, spoke := range fleet.Spokes {
		said := logsOf(t, spoke, client.MatchingLabels{appsv1alpha1.LabelApplicationInstance: shopName(spoke)})
		if want := "migrate of " + shopName(spoke) + " at 1.1.0"; strings.TrimSpace(said) != want {
			t.Errorf("on %s the hook said %q, want %q", spoke.Name, said, want)
		}
	}
}

// shopsEverywhere delivers a shop to every spoke, of the chart of testdata/shop, whose versions differ in nothing else.
func shopsEverywhere(t *testing.T) {
	t.Helper()
	url := charts(t)
	for _, spoke := range fleet.Spokes {
		create(t, fleet.Hub, shopOn(spoke, url))
	}
	for _, spoke := range fleet.Spokes {
		shopReady(t, spoke, "")
	}
}

func shopName(spoke *kindfleet.Cluster) string { return "shop-" + spoke.Name }

// shopOn is a shop that the hub delivers to a spoke.
func shopOn(spoke *kindfleet.Cluster, url string) *appsv1alpha1.ApplicationInstance {
	name := shopName(spoke)
	return &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: tenant, Name: name, Labels: map[string]string{appsv1alpha1.LabelClusterID: spoke.Name, "app": "shop"},
			Annotations: map[string]string{
				opsv1alpha1.TypeUpgrade.Capability():   string(opsv1alpha1.EngineHelm),
				opsv1alpha1.TypeMigration.Capability(): string(opsv1alpha1.EngineHelmHookJob),
			},
		},
		Spec: appsv1alpha1.ApplicationInstanceSpec{
			Mode: appsv1alpha1.ModeManaged, AppRef: appsv1alpha1.AppRef{CatalogID: "shop"},
			Chart:   &appsv1alpha1.ChartSpec{SourceType: appsv1alpha1.ChartSourceHelm, URL: url, Name: "shop", Version: "1.0.0"},
			Release: &appsv1alpha1.ReleaseSpec{Name: name, Namespace: tenant},
			Values: &appsv1alpha1.ValuesSpec{Source: appsv1alpha1.ValuesInline, Inline: &runtime.RawExtension{
				Raw: fmt.Appendf(nil, `{"image": %q}`, kindfleet.ToolImage),
			}},
		},
	}
}

// shops is an Operation on all shops.
func shops(name string, typ opsv1alpha1.OperationType, parameters string) *opsv1alpha1.Operation {
	op := fleetwide(name, typ, parameters)
	op.Spec.Selector.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}
	return op
}

// shopReady waits until the hub says that a shop runs a version, or any, and its one pod is of it.
func shopReady(t *testing.T, spoke *kindfleet.Cluster, version string) {
	t.Helper()
	hub := connect(t, fleet.Hub)
	k := connect(t, spoke)
	eventually(t, fmt.Sprintf("version %q of %s", version, shopName(spoke)), func(ctx context.Context) string {
		var ai appsv1alpha1.ApplicationInstance
		if err := hub.Get(ctx, client.ObjectKey{Namespace: tenant, Name: shopName(spoke)}, &ai); err != nil {
			return err.Error()
		}
		s := ai.Status
		if s.Ready != metav1.ConditionTrue || s.LastAppliedChart == nil || version != "" && s.LastAppliedChart.Version != version {
			return fmt.Sprintf("%s/%s: %s %+v", s.Ready, s.ReadyReason, s.ReadyMessage, s.LastAppliedChart)
		}
		var d appsv1.Deployment
		if err := k.Get(ctx, client.ObjectKey{Namespace: tenant, Name: shopName(spoke)}, &d); err != nil {
			return err.Error()
		}
		if runs := d.Spec.Template.Labels["version"]; runs != s.LastAppliedChart.Version || d.Status.AvailableReplicas != 1 {
			return fmt.Sprintf("it runs %s with %d pods, and the hub says %s", runs, d.Status.AvailableReplicas, s.LastAppliedChart.Version)
		}
		return ""
	})
}

// hookRanBefore holds that the hook of the upgrade ran to its end in a pod, before any pod of the new version began.
func hookRanBefore(t *testing.T, spoke *kindfleet.Cluster) {
	t.Helper()
	k := connect(t, spoke)
	var hook batchv1.Job
	if err := k.Get(t.Context(), client.ObjectKey{Namespace: tenant, Name: shopName(spoke) + "-before-upgrade"}, &hook); err != nil {
		t.Fatal(err)
	}
	said := logsOf(t, spoke, client.MatchingLabels{batchv1.JobNameLabel: hook.Name})
	if want := "before-upgrade of " + shopName(spoke) + " at 1.1.0"; strings.TrimSpace(said) != want {
		t.Errorf("on %s the hook said %q, want %q", spoke.Name, said, want)
	}
	var pods corev1.PodList
	if err := k.List(t.Context(), &pods, client.InNamespace(tenant), client.MatchingLabels{"app": shopName(spoke), "version": "1.1.0"}); err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) == 0 {
		t.Errorf("on %s no pod is of 1.1.0", spoke.Name)
	}
	for i := range pods.Items {
		if begun := pods.Items[i].CreationTimestamp; hook.Status.CompletionTime == nil || begun.Before(hook.Status.CompletionTime) {
			t.Errorf("on %s pod %s began at %s, and the hook before the upgrade ended at %s", spoke.Name, pods.Items[i].Name, begun, hook.Status.CompletionTime)
		}
	}
}

// mayReadRecords lets the agent read the release records of the tenant's namespace, as docs/reference/engines/helmhookjob.md has it.
func mayReadRecords(t *testing.T, spoke *kindfleet.Cluster) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: tenant, Name: "vworkspace-release-records"}
	create(t, spoke,
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}}},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: kindfleet.AgentNamespace, Name: "vworkspace-agent"}}},
	)
}
