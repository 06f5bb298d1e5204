// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// TestHubIsAsked: the hub's own process, as its ServiceAccount and with its flags, writes down who asks; when it is gone, nobody can ask.
func TestHubIsAsked(t *testing.T) {
	ctx := t.Context()
	hub, _, err := Binaries(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := testbed.Up(ctx, testbed.Options{Bare: true, Engines: []string{}, Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fleet.Down(); err != nil {
			t.Error(err)
		}
	})
	config := fleet.Hub.Config()
	if err := OnHub(ctx, config); err != nil {
		t.Fatal(err)
	}
	process, err := startHub(ctx, fleet, hub)
	if err != nil {
		t.Fatal(err)
	}
	if err := AwaitAdmission(ctx, config); err != nil {
		log, _ := os.ReadFile(process.Log())
		t.Fatalf("%v; the hub's log:\n%s", err, log)
	}
	scheme := runtime.NewScheme()
	if err := opsv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() (*opsv1alpha1.Operation, error) {
		op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, GenerateName: "op-"}, Spec: opsv1alpha1.OperationSpec{
			Type: opsv1alpha1.TypeBackup, Selector: &opsv1alpha1.InstanceSelector{}, Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}},
		}}
		return op, c.Create(ctx, op)
	}
	op, err := ask()
	if err != nil || !strings.Contains(op.Annotations[opsv1alpha1.AnnotationRequestedByGroups], "system:authenticated") {
		t.Errorf("got %v and %v, want it stamped", op.Annotations, err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(); err == nil || !strings.Contains(err.Error(), `failed calling webhook "stamp.ops.vworkspace.io"`) {
		t.Errorf("without the hub: %v", err)
	}
}
