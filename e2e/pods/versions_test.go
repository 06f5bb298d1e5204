// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// uninstall takes the platform away from all clusters. What is left of it is its CRDs, what people made of them, and the namespaces that Helm makes.
func uninstall(t *testing.T) {
	var group errgroup.Group
	group.Go(func() error { return fleet.Hub.Uninstall(current.Hub()) })
	for _, spoke := range fleet.Spokes {
		group.Go(func() error { return spoke.Uninstall(current.Spoke(spoke.Name)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, c := range fleet.Clusters() {
		eventually(t, "the platform to be gone from "+c.Name, func(context.Context) string {
			var left []string
			for name, o := range everything(t, c) {
				if ours(o) && !mayStay(o) {
					left = append(left, name)
				}
			}
			return strings.Join(left, ", ")
		})
	}
}

// ours tells whether an object is of the platform, by what it is called or where it is.
func ours(o *unstructured.Unstructured) bool {
	return strings.Contains(o.GetName()+" "+o.GetNamespace(), "vworkspace")
}

// mayStay are CRDs, and what Kubernetes makes of them; namespaces, and what Kubernetes puts into each; what people made; and in a namespace that Helm made
// for a release and never takes away, the Lease of who led.
func mayStay(o *unstructured.Unstructured) bool {
	switch o.GetKind() {
	case "CustomResourceDefinition", "APIService", "Namespace", "Operation", "ApplicationInstance", "Lease":
		return true
	case "ConfigMap":
		return o.GetName() == "kube-root-ca.crt"
	case "ServiceAccount":
		return o.GetName() == "default" || o.GetNamespace() == tenant
	case "Event":
		return true // they go by themselves
	default:
		return o.GetNamespace() == tenant
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
	jobs := jobsOf(t)
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
	for spoke, n := range jobsOf(t) {
		if n -= jobs[spoke]; n != 4 {
			t.Errorf("%d Jobs were made on %s, want one for each of 4 Operations", n, spoke)
		}
	}
	if err := errors.Join(runsNow(t, fleet.Hub, kindfleet.HubNamespace), runsNow(t, fleet.Spokes[0], kindfleet.AgentNamespace)); err != nil {
		t.Error(err)
	}
}

// jobsOf is how many pods the sleepers have had, by spoke.
func jobsOf(t *testing.T) map[string]int {
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

// runsNow holds that every pod of a namespace is of this version.
func runsNow(t *testing.T, c *kindfleet.Cluster, namespace string) error {
	t.Helper()
	var pods corev1.PodList
	if err := connect(t, c).List(t.Context(), &pods, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range pods.Items {
		if image := pods.Items[i].Spec.Containers[0].Image; !strings.HasSuffix(image, ":"+current.Tag) {
			return fmt.Errorf("pod %s on %s runs %s, want %s", pods.Items[i].Name, c.Name, image, current.Tag)
		}
	}
	return nil
}
