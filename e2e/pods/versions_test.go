// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
	"vworkspace.io/fleet/e2e/testbed"
)

// uninstall takes the platform away from all clusters. What is left of it is its CRDs, what people made of them, and the namespaces that Helm makes.
func uninstall(t *testing.T) {
	uninstallAll(t)
	for _, c := range fleet.Clusters() {
		nothingIsLeft(t, c, mayStay)
	}
}

func uninstallAll(t *testing.T) {
	t.Helper()
	var group errgroup.Group
	group.Go(func() error { return fleet.Hub.Uninstall(current.Hub(tenant)) })
	for _, spoke := range fleet.Spokes {
		group.Go(func() error { return spoke.Uninstall(current.Spoke(spoke.Name)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// nothingIsLeft waits until nothing of the platform is on a cluster but what may be.
func nothingIsLeft(t *testing.T, c *kindfleet.Cluster, may func(*unstructured.Unstructured) bool) {
	t.Helper()
	eventually(t, "the platform to be gone from "+c.Name, func(ctx context.Context) string {
		all, err := testbed.Everything(ctx, c.Config)
		if err != nil {
			return err.Error()
		}
		var left []string
		for name, o := range all {
			if ours(o) && !may(o) {
				left = append(left, name)
			}
		}
		return strings.Join(left, ", ")
	})
}

// ours tells whether an object is of the platform, by its label, by what it is called, or by where it is.
func ours(o *unstructured.Unstructured) bool {
	return o.GetLabels()[appsv1alpha1.LabelManagedBy] == appsv1alpha1.ManagedByControlPlane || strings.Contains(o.GetName()+" "+o.GetNamespace(), "vworkspace")
}

// mayStay are CRDs, and what Kubernetes makes of them; namespaces, and what Kubernetes puts into each; what people made, with the ManifestWorks that
// deliver it, the credentials of control planes, the Backups and Restores that came of it, and all that is beside it in the tenant's namespace, such as the plans of its Operations; and in
// a namespace that Helm made for a release and never takes away, the Lease of who led.
func mayStay(o *unstructured.Unstructured) bool {
	if o.GetNamespace() == tenant {
		return true
	}
	switch o.GetKind() {
	case "CustomResourceDefinition", "APIService", "Namespace", "Operation", "OperationTemplate", "ApplicationInstance", "ManifestWork", "AppliedManifestWork", "Backup", "Restore":
		return true
	case "Secret":
		return o.GetNamespace() == kindfleet.HubNamespace && o.GetName() == "vworkspace-control-plane" // credentials cannot be had again
	case "Lease":
		return o.GetNamespace() == kindfleet.HubNamespace || o.GetNamespace() == kindfleet.AgentNamespace
	case "ConfigMap":
		return o.GetName() == "kube-root-ca.crt"
	case "ServiceAccount":
		return o.GetName() == "default"
	case "Event":
		return true // they go by themselves
	default:
		return false
	}
}

// upgrade: people run the version before, with a command at work on all spokes. First the hub is upgraded, and works on with the agents of before; then
// the agents. The commands end well, and ran once.
func upgrade(t *testing.T) {
	if earlier == nil {
		t.Skip("SKIPPED:", kindfleet.ErrNoCommit, previous)
	}
	if err := installPlatform(t.Context(), *earlier); err != nil {
		t.Fatal(err)
	}
	for _, spoke := range fleet.Spokes {
		create(t, spoke, placeholder("sleepers", map[opsv1alpha1.OperationType]opsv1alpha1.OperationEngine{opsv1alpha1.TypeRunCommand: opsv1alpha1.EngineJob}))
	}
	ran := sleptOn(t)
	first := sleep("while-the-hub-is-upgraded", 45)
	create(t, fleet.Hub, first)
	eventually(t, "the command to run on all spokes", running(t, first, len(fleet.Spokes)))
	if err := installHub(t.Context(), current); err != nil {
		t.Fatal(err)
	}
	skewed := sleep("new-hub-old-agents", 1)
	operate(t, skewed)
	second := sleep("while-the-agents-are-upgraded", 45)
	create(t, fleet.Hub, second)
	eventually(t, "the command to run on all spokes", running(t, second, len(fleet.Spokes)))
	if err := installAgents(t.Context(), current); err != nil {
		t.Fatal(err)
	}
	for _, op := range []*opsv1alpha1.Operation{first, second} {
		succeeds(t, fleet.Hub, op)
	}
	operate(t, sleep("all-new", 1))
	for spoke, n := range sleptOn(t) {
		if n -= ran[spoke]; n != 4 {
			t.Errorf("%d pods slept on %s, want one for each of 4 Operations", n, spoke)
		}
	}
	runsNow(t, fleet.Hub, kindfleet.HubNamespace)
	for _, spoke := range fleet.Spokes {
		runsNow(t, spoke, kindfleet.AgentNamespace)
	}
}

// sleptOn is how many pods the sleepers have had, by spoke.
func sleptOn(t *testing.T) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, spoke := range fleet.Spokes {
		var pods corev1.PodList
		if err := connect(t, spoke).List(t.Context(), &pods, client.InNamespace(tenant), ofSleepers); err != nil {
			t.Fatal(err)
		}
		n[spoke.Name] = len(pods.Items)
	}
	return n
}

// runsNow waits until every pod of a namespace is of this version.
func runsNow(t *testing.T, c *kindfleet.Cluster, namespace string) {
	t.Helper()
	k := connect(t, c)
	eventually(t, "the pods of "+namespace+" on "+c.Name+" to be of this version", func(ctx context.Context) string {
		var pods corev1.PodList
		if err := k.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
			return err.Error()
		}
		if len(pods.Items) == 0 {
			return "there are none"
		}
		for i := range pods.Items {
			if image := pods.Items[i].Spec.Containers[0].Image; !strings.HasSuffix(image, ":"+current.Tag) {
				return fmt.Sprintf("pod %s runs %s", pods.Items[i].Name, image)
			}
		}
		return ""
	})
}
