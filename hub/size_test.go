// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestSizes holds what the hub sends to the bytes that docs/concepts/beyond-one-hub.md reckons with: as JSON, which is how etcd has it, before the API server
// and the cluster's agent add theirs.
func TestSizes(t *testing.T) {
	o := Options{}.complete()
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nightly-backup", UID: "0f6c1f5e-8a54-4d6d-a5d3-1d1f1c6d0b11"}}
	op.Spec.Selector = &opsv1alpha1.InstanceSelector{}
	run, err := newCourier(op, o.sentSpec(op, nil), o.AgentNamespace, time.Now()).manifestWork(types.NamespacedName{Namespace: "cluster1", Name: "nightly-backup-1185608153ef"})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("..", "deploy", "catalog", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates in deploy/catalog: %v", err)
	}
	manifests := map[string][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		template := &opsv1alpha1.OperationTemplate{}
		if err := yaml.Unmarshal(data, template); err != nil {
			t.Fatal(err)
		}
		if manifests[template.Name], err = templateManifest(template); err != nil {
			t.Fatal(err)
		}
	}
	catalog, err := catalogWorkFor("cluster1", o.AgentNamespace, 0, slices.Sorted(maps.Keys(manifests)), manifests)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		what string
		of   any
		most int
	}{
		{"the work of a run", run, 4 << 10},
		{"the work of the catalog", catalog, 80 << 10},
	} {
		raw, err := json.Marshal(s.of)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", s.what, len(raw))
		if len(raw) > s.most {
			t.Errorf("%s has %d bytes, and the arithmetic for fleets beyond one hub reckons with %d: put both right", s.what, len(raw), s.most)
		}
	}
}
