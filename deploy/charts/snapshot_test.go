// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
)

// byItself are kinds of objects that come and go without anybody's doing. A Lease here is an API server's own: nothing of ours runs.
var byItself = []string{"Event", "Lease", "APIService", "EndpointSlice", "Endpoints"}

// snapshot is every object of the cluster, as "Kind namespace/name".
func snapshot(t *testing.T) map[string]bool {
	t.Helper()
	found, err := discovery.NewDiscoveryClientForConfig(restConfig)
	if err != nil {
		t.Fatal(err)
	}
	lists, err := found.ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := dynamic.NewForConfig(restConfig)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list.APIResources {
			if !slices.Contains(r.Verbs, "list") || slices.Contains(byItself, r.Kind) {
				continue
			}
			items, err := objects.Resource(gv.WithResource(r.Name)).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatalf("list %s: %v", r.Name, err)
			}
			for _, o := range items.Items {
				name := o.GetName()
				if o.GetNamespace() != "" {
					name = o.GetNamespace() + "/" + name
				}
				out[r.Kind+" "+name] = true
			}
		}
	}
	return out
}
