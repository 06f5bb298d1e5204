// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// runbook has a step that runs a script and one that writes what the script said into the cluster.
const runbook = `
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: note}
spec:
  entrypoint: main
  serviceAccountName: runbook
  templates:
  - name: main
    steps:
    - - {name: think, template: think}
    - - {name: write, template: write, arguments: {parameters: [{name: said, value: "{{steps.think.outputs.result}}"}]}}
  - name: think
    script:
      image: ` + kindfleet.ToolImage + `
      command: [bash]
      source: |
        echo "six times seven is $((6 * 7))"
  - name: write
    inputs: {parameters: [{name: said}]}
    resource:
      action: create
      manifest: |
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: note}
        data: {said: "{{inputs.parameters.said}}"}
`

// TestWorkflow: a runbook on every spoke, with a script step and a resource step, in real pods.
func TestWorkflow(t *testing.T) {
	needsFleet(t)
	tenantEverywhere(t)
	for _, spoke := range fleet.Spokes {
		template := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(runbook), &template.Object); err != nil {
			t.Fatal(err)
		}
		template.SetNamespace(tenant)
		meta := metav1.ObjectMeta{Namespace: tenant, Name: "runbook"}
		create(t, spoke, template, &corev1.ServiceAccount{ObjectMeta: meta},
			&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create", "get"}},
				{APIGroups: []string{"argoproj.io"}, Resources: []string{"workflowtaskresults"}, Verbs: []string{"create", "patch"}},
			}},
			&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "runbook"},
				Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: tenant, Name: "runbook"}}},
			placeholder("books", map[opsv1alpha1.OperationType]opsv1alpha1.OperationEngine{opsv1alpha1.TypeRunbook: opsv1alpha1.EngineWorkflow}),
		)
	}
	op := fleetwide("take-a-note", opsv1alpha1.TypeRunbook, `{"workflowTemplate": "note"}`)
	op.Spec.Selector.Names = []string{"books"}
	operate(t, op)
	for _, spoke := range fleet.Spokes {
		var note corev1.ConfigMap
		if err := connect(t, spoke).Get(t.Context(), client.ObjectKey{Namespace: tenant, Name: "note"}, &note); err != nil {
			t.Fatal(err)
		}
		if note.Data["said"] != "six times seven is 42" {
			t.Errorf("on %s the runbook wrote %q", spoke.Name, note.Data["said"])
		}
	}
}
