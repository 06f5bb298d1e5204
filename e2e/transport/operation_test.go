// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
)

const (
	shop      = "shop" // the namespace of deploy/spoke/examples
	placement = "all"
)

// TestOperation: with the hub and the agents of vWorkspace on the fleet, an Operation runs once on each cluster, whichever way it came, and its result is heard;
// also when OCM's gRPC server was gone in between.
func TestOperation(t *testing.T) {
	hub := installed(t)
	t.Run("runs", func(t *testing.T) { runs(t, hub, "runs", 0, func() {}) })
	t.Run("runs without the gRPC server", func(t *testing.T) {
		if !*long {
			t.Skip("SKIPPED: the second loss of the server in one test run takes up to two minutes; say -transport.long")
		}
		server := fleet.Process("hub-ocm-grpc")
		runs(t, hub, "without-server", 2*time.Second, func() {
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := server.Restart(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// installed vWorkspace, with one application on each cluster.
func installed(t *testing.T) client.Client {
	t.Helper()
	hub, spoke, err := install.Binaries(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := install.Install(t.Context(), fleet, hub, spoke); err != nil {
		t.Fatal(err)
	}
	if err := fleet.Place(t.Context(), shop, placement); err != nil {
		t.Fatal(err)
	}
	for _, c := range fleet.Spokes {
		if err := testbed.ApplyFiles(t.Context(), c.Config(), filepath.Join("..", "..", "deploy", "spoke", "examples", "gated-namespace.yaml")); err != nil {
			t.Fatal(err)
		}
		if err := people(t, c).Create(t.Context(), &appsv1alpha1.ApplicationInstance{
			ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "web", Annotations: map[string]string{opsv1alpha1.TypeRunCommand.Capability(): string(opsv1alpha1.EngineJob)}},
			Spec:       appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "shop"}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	return people(t, fleet.Hub)
}

// people's client of a cluster.
func people(t *testing.T, c *testbed.Cluster) client.Client {
	t.Helper()
	cl, err := client.New(c.Config(), client.Options{Scheme: demo.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// runs a command of some length everywhere; meanwhile is done once it has begun on all clusters.
func runs(t *testing.T, hub client.Client, name string, takes time.Duration, meanwhile func()) {
	parameters, err := json.Marshal(map[string]any{
		"image": "registry.example.com/shop:1.0.0", "command": []string{"true"},
		"podAnnotations": map[string]string{testbed.AnnotationDuration: takes.String()},
	})
	if err != nil {
		t.Fatal(err)
	}
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name},
		Spec: opsv1alpha1.OperationSpec{
			Placement:  &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: placement}},
			Selector:   &opsv1alpha1.InstanceSelector{},
			Type:       opsv1alpha1.TypeRunCommand,
			Engine:     opsv1alpha1.EngineJob,
			Parameters: &runtime.RawExtension{Raw: parameters},
		},
	}
	if err := hub.Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	for _, c := range fleet.Spokes {
		eventually(t, fmt.Sprintf("a Job of %s on %s", name, c.Name), func(ctx context.Context) (bool, string) {
			n := jobs(ctx, t, c, op)
			return n > 0, fmt.Sprintf("%d Jobs", n)
		})
	}
	meanwhile()
	eventually(t, name+" to end", func(ctx context.Context) (bool, string) {
		if err := hub.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return false, err.Error()
		}
		return op.Status.Phase.Terminal(), demo.Line(op)
	})
	if op.Status.Phase != opsv1alpha1.PhaseSucceeded || op.Status.Reason != opsv1alpha1.ReasonAllSucceeded {
		t.Errorf("it is %s (%s: %s)", op.Status.Phase, op.Status.Reason, op.Status.Message)
	}
	for _, c := range fleet.Spokes {
		if n := jobs(t.Context(), t, c, op); n != 1 {
			t.Errorf("%d Jobs on %s, want exactly 1", n, c.Name)
		}
	}
}

// jobs that a fleet Operation has made on a cluster.
func jobs(ctx context.Context, t *testing.T, c *testbed.Cluster, op *opsv1alpha1.Operation) (n int) {
	t.Helper()
	cl := people(t, c)
	var children opsv1alpha1.OperationList
	if err := cl.List(ctx, &children, client.InNamespace(shop), client.MatchingLabels{opsv1alpha1.LabelRoot: string(op.UID)}); err != nil {
		t.Fatal(err)
	}
	for _, child := range children.Items {
		var made batchv1.JobList
		if err := cl.List(ctx, &made, client.InNamespace(shop), client.MatchingLabels{opsv1alpha1.LabelOperation: string(child.UID)}); err != nil {
			t.Fatal(err)
		}
		n += len(made.Items)
	}
	return n
}
