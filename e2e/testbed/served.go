// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// servedEvery is how often the API server is asked. The answer takes it seconds, and is long.
const servedEvery = 500 * time.Millisecond

// waitServed waits until the API server says that it serves the kinds of the CRDs among the objects. It gives two answers, one for a group and
// version and one for all of them, and both come after the CRD is established. A controller that starts in between finds its kinds in the
// one and not in the other, and exits.
func waitServed(ctx context.Context, config *rest.Config, objects []*unstructured.Unstructured) error {
	kinds := servedKinds(objects)
	if len(kinds) == 0 {
		return nil
	}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	missing := ""
	err = wait.PollUntilContextCancel(ctx, servedEvery, true, func(context.Context) (bool, error) {
		missing = notServed(d, kinds)
		return missing == "", nil
	})
	if err != nil {
		return fmt.Errorf("wait until the API server serves %s: %w", missing, err)
	}
	return nil
}

// servedKinds of the CRDs among the objects, by group and version.
func servedKinds(objects []*unstructured.Unstructured) map[string][]string {
	kinds := map[string][]string{}
	for _, o := range objects {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
		versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")
		for _, v := range versions {
			if version, ok := v.(map[string]any); ok && version["served"] == true {
				gv := fmt.Sprintf("%s/%s", group, version["name"])
				kinds[gv] = append(kinds[gv], kind)
			}
		}
	}
	return kinds
}

// notServed is the first kind that is missing from one of the two answers, or "".
func notServed(d discovery.DiscoveryInterface, kinds map[string][]string) string {
	_, lists, _ := d.ServerGroupsAndResources() // other groups may be on their way; what there is of ours counts
	all := map[string]*metav1.APIResourceList{}
	for _, list := range lists {
		all[list.GroupVersion] = list
	}
	for gv, names := range kinds {
		one, err := d.ServerResourcesForGroupVersion(gv)
		for _, kind := range names {
			if err != nil || !has(one, kind) || !has(all[gv], kind) {
				return gv + " " + kind
			}
		}
	}
	return ""
}

func has(list *metav1.APIResourceList, kind string) bool {
	if list == nil {
		return false
	}
	for _, r := range list.APIResources {
		if r.Kind == kind {
			return true
		}
	}
	return false
}
