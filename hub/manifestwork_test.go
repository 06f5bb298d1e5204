// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew; read the difference before it is committed")

// golden compares an object with testdata/NAME.yaml.
func golden(t *testing.T, name string, object any) {
	t.Helper()
	got, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".yaml")
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestManifestWorks(t *testing.T) {
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nightly.backup", UID: "0f6c1f5e-8a54-4d6d-a5d3-1d1f1c6d0b11", Generation: 3,
			Annotations: map[string]string{opsv1alpha1.AnnotationRequestedBy: "alice", opsv1alpha1.AnnotationRequestedByGroups: "staff\nsystem:authenticated"}},
		Spec: opsv1alpha1.OperationSpec{
			Placement:  &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}},
			Rollout:    &opsv1alpha1.RolloutSpec{RolloutStrategy: clusterv1alpha1.RolloutStrategy{Type: clusterv1alpha1.All}},
			Selector:   &opsv1alpha1.InstanceSelector{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "web"}}},
			Type:       opsv1alpha1.TypeBackup,
			Engine:     opsv1alpha1.EngineVelero,
			Parameters: &runtime.RawExtension{Raw: []byte(`{"ttl":"72h"}`)},
			Timeout:    &metav1.Duration{Duration: time.Hour},
		},
		Status: opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseRunning},
	}
	o := Options{}.complete()
	work, err := newCourier(op, o.sentSpec(op, nil), o.AgentNamespace, time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)).manifestWork(firstWork(op, "spoke1"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "operation", work)

	ai := &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web", UID: "7d3b4f1e-1111-4d6d-a5d3-1d1f1c6d0b11", Generation: 4,
			Labels: map[string]string{appsv1alpha1.LabelClusterID: "spoke1", appsv1alpha1.LabelManagedBy: "odoo"},
			Annotations: map[string]string{
				"ops.vworkspace.io/backup":                         "velero",
				"kubectl.kubernetes.io/last-applied-configuration": "{}",
				appsv1alpha1.AnnotationUpgradedFrom:                "0.9.0",
			},
			Finalizers: []string{appsv1alpha1.ApplicationInstanceFinalizer},
		},
		Spec: appsv1alpha1.ApplicationInstanceSpec{
			Mode:    appsv1alpha1.ModeManaged,
			AppRef:  appsv1alpha1.AppRef{CatalogID: "shop"},
			Chart:   &appsv1alpha1.ChartSpec{SourceType: appsv1alpha1.ChartSourceOCI, URL: "oci://registry.example.com/charts", Name: "shop", Version: "1.0.0"},
			Release: &appsv1alpha1.ReleaseSpec{Name: "web", Namespace: "shop"},
			Values:  &appsv1alpha1.ValuesSpec{Source: appsv1alpha1.ValuesInline, Inline: &runtime.RawExtension{Raw: []byte(`{"replicas":2}`)}},
		},
		Status: appsv1alpha1.ApplicationInstanceStatus{Cluster: "spoke1"},
	}
	work, err = instanceWork(ai, "spoke1", o.AgentNamespace)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "instance", work)
}

// Every feedback path finds its field in an object as the spoke writes it, read as the work agent reads it.
func TestFeedbackPathsFindTheirFields(t *testing.T) {
	counts := opsv1alpha1.Counts{Total: 1, Pending: 2, Blocked: 3, Running: 4, Succeeded: 5, Failed: 6, Cancelled: 7}
	now := metav1.NewTime(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC))
	op := opsv1alpha1.Operation{Status: opsv1alpha1.OperationStatus{
		Phase: "Running", Reason: "r", Message: "m", Blocked: true, Progress: "1/2", StartedAt: &now, FinishedAt: &now, ObservedGeneration: 2,
		Summary: &opsv1alpha1.Summary{Instances: &counts},
	}}
	ai := appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{Generation: 3, Annotations: map[string]string{
			appsv1alpha1.AnnotationUpgradedFrom: "1.0.0", annotationHubGeneration: "7",
		}},
		Spec: appsv1alpha1.ApplicationInstanceSpec{Chart: &appsv1alpha1.ChartSpec{Version: "1.1.0"}},
		Status: appsv1alpha1.ApplicationInstanceStatus{
			Ready: "True", ReadyReason: "Installed", ReadyMessage: "m", ObservedGeneration: 3,
			LastAppliedChart: &appsv1alpha1.ChartSnapshot{Name: "shop", Version: "1.1.0"},
		},
	}
	for _, tc := range []struct {
		object any
		paths  []workv1.JsonPath
	}{{op, operationFeedback}, {ai, instanceFeedback}} {
		raw, err := json.Marshal(tc.object)
		if err != nil {
			t.Fatal(err)
		}
		var content any
		if err := json.Unmarshal(raw, &content); err != nil {
			t.Fatal(err)
		}
		for _, p := range tc.paths {
			parser := jsonpath.New(p.Name).AllowMissingKeys(true)
			if err := parser.Parse("{" + p.Path + "}"); err != nil {
				t.Errorf("%s: %v", p.Path, err)
				continue
			}
			var found strings.Builder
			if err := parser.Execute(&found, content); err != nil || found.Len() == 0 {
				t.Errorf("%s finds %q, %v", p.Path, found.String(), err)
			}
		}
	}
}

// TestDeliveryTime: it counts from now, and where the hub's clock is behind that of its API server, from the Operation's creation.
func TestDeliveryTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name          string
		created, want time.Time
	}{
		{"created a while ago", now.Add(-time.Hour), now.Add(time.Minute)},
		{"created in the clock's future", now.Add(time.Hour), now.Add(time.Hour + time.Minute)},
	} {
		t.Run(c.name, func(t *testing.T) {
			op := &opsv1alpha1.Operation{
				ObjectMeta: metav1.ObjectMeta{Name: "backup", CreationTimestamp: metav1.NewTime(c.created)},
				Spec:       opsv1alpha1.OperationSpec{StartDeadline: &metav1.Duration{Duration: time.Minute}},
			}
			if got := newCourier(op, op.Spec, "vworkspace-agent", now).startBefore; !got.Equal(c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
