// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

func TestConform(t *testing.T) {
	enginetest.Conform(t, func(testing.TB) enginetest.Subject {
		return enginetest.Subject{
			Engine: New(),
			Run: engines.Run{Cluster: "cluster1", Operation: &opsv1alpha1.Operation{
				ObjectMeta: metav1.ObjectMeta{Name: "migrate", Namespace: "apps", UID: "4f2c1f9e-7d8e-4a51-9a50-5d2e7c2d3b10"},
				Spec: opsv1alpha1.OperationSpec{
					TargetRef:  &opsv1alpha1.TargetRef{Name: "shop"},
					Type:       opsv1alpha1.TypeMigration,
					Parameters: &runtime.RawExtension{Raw: []byte(`{"workflowTemplate":"move-schema","parameters":{"version":"17.0","replicas":2}}`)},
				},
			}},
			Live: []client.Object{&wfv1.WorkflowTemplate{
				ObjectMeta: metav1.ObjectMeta{Name: "move-schema", Namespace: "apps"},
				Spec: wfv1.WorkflowSpec{
					Entrypoint: "main",
					Arguments:  wfv1.Arguments{Parameters: []wfv1.Parameter{{Name: "version"}, {Name: "replicas"}}},
				},
			}},
		}
	})
}
