// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

// upgrade plans and applies one run, and returns the target after it.
func upgrade(t *testing.T, cluster *enginetest.Cluster, uid types.UID, parameters string) *appsv1alpha1.ApplicationInstance {
	t.Helper()
	target := &appsv1alpha1.ApplicationInstance{}
	key := client.ObjectKey{Namespace: "apps", Name: "shop"}
	if err := cluster.Reader().Get(t.Context(), key, target); err != nil {
		t.Fatal(err)
	}
	run := engines.Run{Target: target, Operation: &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Name: "upgrade", Namespace: "apps", UID: uid},
		Spec:       opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeUpgrade, Parameters: &runtime.RawExtension{Raw: []byte(parameters)}},
	}}
	changes, err := New().Plan(t.Context(), cluster.Reader(), run)
	if err != nil {
		t.Fatal(err)
	}
	cluster.Apply(t, changes)
	target = &appsv1alpha1.ApplicationInstance{}
	if err := cluster.Reader().Get(t.Context(), key, target); err != nil {
		t.Fatal(err)
	}
	return target
}

// An apply replaces what its manager applied before. Were the second run to apply its values only, the version would be gone.
func TestLaterUpgradeKeepsWhatAnEarlierOneApplied(t *testing.T) {
	cluster := enginetest.NewCluster(t, enginetest.ReadObjects(t, "testdata/managed-plan-version/target.yaml")...)
	upgrade(t, cluster, "first", `{"targetVersion":"2.0.0","valuesPatch":{"image":{"tag":"2"},"hosts":["a"]}}`)
	upgrade(t, cluster, "second", `{"valuesPatch":{"replicas":3}}`)
	target := upgrade(t, cluster, "third", `{"valuesPatch":{"image":{"pull":"Always"},"hosts":["b"]}}`)
	if got := target.Spec.Chart.Version; got != "2.0.0" {
		t.Errorf("the version is %q after upgrades of the values, want 2.0.0", got)
	}
	if diff := cmp.Diff(`{"hosts":["b"],"image":{"pull":"Always","tag":"2"},"replicas":3}`, string(target.Spec.Values.Inline.Raw)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if got := target.Annotations[appsv1alpha1.AnnotationUpgradedBy]; got != "third" {
		t.Errorf("upgraded by %q, want the last run", got)
	}
}
