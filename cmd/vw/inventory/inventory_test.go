// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func inst(id, version, cluster string, ready metav1.ConditionStatus) instance {
	var in instance
	in.Metadata.Namespace, in.Metadata.Name = "ns", id
	in.Spec.AppRef.CatalogID, in.Spec.Chart.Version = id, version
	in.Status.Cluster, in.Status.Ready = cluster, ready
	return in
}

func counting(name string, claims ...clusterv1.ManagedClusterClaim) managed {
	var m managed
	m.Metadata.Name, m.Status.ClusterClaims = name, claims
	return m
}

// TestCount: what this hub has delivered by version, and what clusters count beyond that.
func TestCount(t *testing.T) {
	list := []instance{
		inst("shop", "1.0.0", "a", metav1.ConditionTrue), inst("shop", "1.0.0", "b", metav1.ConditionFalse), inst("shop", "1.1.0", "b", metav1.ConditionTrue),
	}
	clusters := []managed{
		counting("a", clusterv1.ManagedClusterClaim{Name: "shop.app.vworkspace.io", Value: "3"}),
		counting("b", clusterv1.ManagedClusterClaim{Name: "shop.app.vworkspace.io", Value: "2"}, clusterv1.ManagedClusterClaim{Name: "id.k8s.io", Value: "7"}),
	}
	want := []App{
		{CatalogID: "shop", Count: 2, Clusters: []string{"a"}, Undelivered: true},
		{CatalogID: "shop", Version: "1.0.0", Count: 2, Ready: 1, Clusters: []string{"a", "b"}, NotReady: []string{"ns/shop: NotYetReported"}},
		{CatalogID: "shop", Version: "1.1.0", Count: 1, Ready: 1, Clusters: []string{"b"}},
	}
	if diff := cmp.Diff(want, count(list, clusters, false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if apart := count(list, clusters, true); len(apart) != 4 || apart[1].Cluster != "a" || apart[2].Cluster != "b" {
		t.Errorf("by cluster: %+v", apart)
	}
}

func TestSkew(t *testing.T) {
	for versions, want := range map[[2]string]string{
		{"v0.1.0", "0.1.3"}:         "",
		{"v0.1.0-4-gabcdef", "0.1"}: "",
		{"dev", "0.1.0"}:            "",
		{"0.2.0", "v0.1.0"}:         "0.2.0 and v0.1.0 differ in more than the patch: upgrade what is at v0.1.0",
		{"0.2.0", "1.2.0"}:          "0.2.0 and 1.2.0 differ in more than the patch: upgrade what is at 0.2.0",
	} {
		if got := Skew(versions[0], versions[1]); got != want {
			t.Errorf("%v: %q, want %q", versions, got, want)
		}
	}
}

func TestTag(t *testing.T) {
	for image, want := range map[string]string{
		"r.example/hub:1.2.3": "1.2.3", "r.example:5000/hub": "", "r.example:5000/hub:1@sha256:ab": "1", "hub@sha256:ab": "",
	} {
		if got := tagOf(image); got != want {
			t.Errorf("%s: %q, want %q", image, got, want)
		}
	}
}

func TestFrozen(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	over := metav1.NewTime(now.Add(-time.Minute))
	for want, spec := range map[string]opsv1alpha1.FreezeSpec{
		"freeze f":                    {},
		"freeze f of Backup, Upgrade": {Types: []opsv1alpha1.OperationType{opsv1alpha1.TypeUpgrade, opsv1alpha1.TypeBackup}},
		"":                            {Until: &over},
	} {
		if got := Frozen(&opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: "f"}, Spec: spec}, now); got != want {
			t.Errorf("%+v: %q, want %q", spec, got, want)
		}
	}
}

func TestParametersThatCannotBeRead(t *testing.T) {
	for field, spec := range map[string]opsv1alpha1.OperationTemplateSpec{
		"spec.inputSchema: ": {InputSchema: &runtime.RawExtension{Raw: []byte(`{"properties":3}`)}},
		"spec.defaults: ":    {Defaults: &runtime.RawExtension{Raw: []byte(`[]`)}},
	} {
		if _, err := Parameters(&spec); err == nil || len(err.Error()) < len(field) || err.Error()[:len(field)] != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
