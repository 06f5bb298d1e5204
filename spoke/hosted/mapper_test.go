// SPDX-License-Identifier: Apache-2.0

package hosted_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"vworkspace.io/fleet/spoke/hosted"
)

// The mapper of a hosted cluster says what controller-runtime's says.
func TestMapper(t *testing.T) {
	config := fleet.Spokes[0].Config()
	cl, err := cluster.New(config, hosted.Cluster(newScheme(t)))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := cluster.New(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, gvk := range []schema.GroupVersionKind{
		{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "Operation"},
		{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "Freeze"},
		{Group: "apps.vworkspace.io", Version: "v1alpha1", Kind: "ApplicationInstance"},
		{Version: "v1", Kind: "Namespace"},
		{Version: "v1", Kind: "Pod"},
		{Group: "batch", Version: "v1", Kind: "Job"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
		{Group: "cluster.open-cluster-management.io", Version: "v1alpha1", Kind: "ClusterClaim"},
	} {
		for range 2 { // asked, and kept
			got, err := cl.GetRESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
			if err != nil {
				t.Errorf("%s: %v", gvk, err)
				continue
			}
			want, err := plain.GetRESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
			if err != nil {
				t.Fatal(err)
			}
			if got.Resource != want.Resource || got.GroupVersionKind != want.GroupVersionKind || got.Scope.Name() != want.Scope.Name() {
				t.Errorf("%s: got %v %s, want %v %s", gvk, got.Resource, got.Scope.Name(), want.Resource, want.Scope.Name())
			}
		}
	}
	for _, gvk := range []schema.GroupVersionKind{
		{Group: "batch", Version: "v1", Kind: "Jab"}, {Group: "batch", Version: "v9", Kind: "Job"}, {Group: "example.com", Version: "v1", Kind: "Job"},
	} {
		if _, err := cl.GetRESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version); !meta.IsNoMatchError(err) {
			t.Errorf("%s: got %v, want that there is no such kind", gvk, err)
		}
	}
}
