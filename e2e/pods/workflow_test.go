// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"fmt"
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

// note has a step that runs a script and one that writes what the script said into the cluster.
const note = `
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

// patience takes its time, in two steps.
const patience = `
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: patience}
spec:
  entrypoint: main
  serviceAccountName: runbook
  templates:
  - name: main
    steps:
    - - {name: first, template: wait}
    - - {name: second, template: wait}
  - name: wait
    container:
      image: ` + kindfleet.ToolImage + `
      command: [sleep, "10"]
`

// workflow: a runbook on every spoke, with a script step and a resource step, in real pods.
func workflow(t *testing.T) {
	booksEverywhere(t)
	operate(t, book("take-a-note", "note"))
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

// booksEverywhere makes the runbooks on every spoke, and whom they run as.
func booksEverywhere(t *testing.T) {
	t.Helper()
	for _, spoke := range fleet.Spokes {
		for _, text := range []string{note, patience} {
			template := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(text), &template.Object); err != nil {
				t.Fatal(err)
			}
			template.SetNamespace(tenant)
			create(t, spoke, template)
		}
		meta := metav1.ObjectMeta{Namespace: tenant, Name: "runbook"}
		create(t, spoke, &corev1.ServiceAccount{ObjectMeta: meta},
			&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create", "get"}},
				{APIGroups: []string{"argoproj.io"}, Resources: []string{"workflowtaskresults"}, Verbs: []string{"create", "patch"}},
			}},
			&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "runbook"},
				Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: tenant, Name: "runbook"}}},
			placeholder("books", map[opsv1alpha1.OperationType]opsv1alpha1.OperationEngine{opsv1alpha1.TypeRunbook: opsv1alpha1.EngineWorkflow}),
		)
	}
}

// book is an Operation that runs a runbook on every spoke.
func book(name, template string) *opsv1alpha1.Operation {
	op := fleetwide(name, opsv1alpha1.TypeRunbook, fmt.Sprintf(`{"workflowTemplate": %q}`, template))
	op.Spec.Selector.Names = []string{"books"}
	return op
}
