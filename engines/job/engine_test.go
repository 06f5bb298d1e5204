// SPDX-License-Identifier: Apache-2.0

package job

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

func TestGolden(t *testing.T) { enginetest.Golden(t, New(), "testdata") }

func TestConform(t *testing.T) {
	enginetest.Conform(t, func(testing.TB) enginetest.Subject {
		return enginetest.Subject{Engine: New(), Run: engines.Run{Cluster: "cluster1", Operation: &opsv1alpha1.Operation{
			ObjectMeta: metav1.ObjectMeta{Name: "check", Namespace: "apps", UID: "4f2c1f9e-7d8e-4a51-9a50-5d2e7c2d3b10"},
			Spec: opsv1alpha1.OperationSpec{
				TargetRef:  &opsv1alpha1.TargetRef{Name: "shop"},
				Type:       opsv1alpha1.TypeRunCommand,
				Parameters: &runtime.RawExtension{Raw: []byte(`{"image":"registry.example.com/tools/check:1"}`)},
			},
		}}}
	})
}
