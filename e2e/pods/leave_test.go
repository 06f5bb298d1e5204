// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// leave: people take the platform away for good, with the applications, step by step as docs/how-to/install.md says. What then is left of it are the
// copies that were made, what people have in their own namespace, and Events.
func leave(t *testing.T) {
	for _, list := range []client.ObjectList{&opsv1alpha1.OperationList{}, &appsv1alpha1.ApplicationInstanceList{}} {
		for _, c := range fleet.Clusters() { // the hub first: what it delivers goes with it
			deleteAll(t, c, list)
		}
	}
	catalogGoes(t)
	uninstallAll(t)
	for _, c := range fleet.Clusters() {
		k := connect(t, c)
		gone := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: platformNamespace(c)}}}
		for _, name := range shippedCRDs(t) {
			gone = append(gone, &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}})
		}
		for _, o := range gone {
			if err := k.Delete(t.Context(), o); err != nil {
				t.Fatalf("delete %s from %s: %v", o.GetName(), c.Name, err)
			}
		}
	}
	for _, c := range fleet.Clusters() {
		nothingIsLeft(t, c, func(o *unstructured.Unstructured) bool {
			if o.GetNamespace() == tenant { // restored volumes, snapshots and rights are people's; what ran and what was delivered is not
				return o.GetKind() != "Job" && o.GetKind() != "HelmRelease"
			}
			return slices.Contains([]string{"Backup", "Restore", "Event"}, o.GetKind())
		})
	}
}

// catalogGoes: without the hub's templates its ManifestWorks of the catalog go, and with them the templates on the spokes.
func catalogGoes(t *testing.T) {
	t.Helper()
	deleteAll(t, fleet.Hub, &opsv1alpha1.OperationTemplateList{})
	eventually(t, "the ManifestWorks of the catalog to be gone", func(ctx context.Context) string {
		var list workv1.ManifestWorkList
		if err := connect(t, fleet.Hub).List(ctx, &list, client.MatchingLabels{opsv1alpha1.LabelPart: opsv1alpha1.PartCatalog}); err != nil {
			return err.Error()
		}
		if len(list.Items) > 0 {
			return list.Items[0].Namespace + " has its own"
		}
		return ""
	})
	for _, spoke := range fleet.Spokes {
		var list opsv1alpha1.OperationTemplateList
		if err := connect(t, spoke).List(t.Context(), &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Items) > 0 {
			t.Errorf("%d templates are left on %s", len(list.Items), spoke.Name)
		}
	}
}

// shippedCRDs by name, as `kubectl delete -f deploy/crds` would delete them: a file is called GROUP_PLURAL.yaml.
func shippedCRDs(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "deploy", "crds", "*_*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no CRDs in deploy/crds: %v", err)
	}
	var names []string
	for _, file := range files {
		group, plural, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".yaml"), "_")
		names = append(names, plural+"."+group)
	}
	return names
}

// platformNamespace is where our chart is on a cluster.
func platformNamespace(c *kindfleet.Cluster) string {
	if c == fleet.Hub {
		return kindfleet.HubNamespace
	}
	return kindfleet.AgentNamespace
}

// deleteAll of a kind, in all namespaces, and wait until they are gone.
func deleteAll(t *testing.T, c *kindfleet.Cluster, list client.ObjectList) {
	t.Helper()
	k := connect(t, c)
	eventually(t, fmt.Sprintf("every object of a %T to be gone from %s", list, c.Name), func(ctx context.Context) string {
		if err := k.List(ctx, list); err != nil {
			return err.Error()
		}
		left := ""
		_ = meta.EachListItem(list, func(o runtime.Object) error {
			object := o.(client.Object)
			left = object.GetNamespace() + "/" + object.GetName()
			if object.GetDeletionTimestamp() == nil {
				if err := client.IgnoreNotFound(k.Delete(ctx, object)); err != nil {
					left += ": " + err.Error()
				}
			}
			return nil
		})
		return left
	})
}
