// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// job: one Operation on the hub runs a command in a real pod on every spoke, which reads a Secret that its kubelet hands it; and the Secret is nowhere
// else. Then one that asks for the Secret itself.
func job(t *testing.T) {
	for _, spoke := range fleet.Spokes {
		create(t, spoke, placeholder("jobs", map[opsv1alpha1.OperationType]opsv1alpha1.OperationEngine{opsv1alpha1.TypeRunCommand: opsv1alpha1.EngineJob}),
			&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "door"}, StringData: map[string]string{"key": "sesame-" + spoke.Name}})
	}
	op := fleetwide("read-secret", opsv1alpha1.TypeRunCommand, `{
		"image": "`+kindfleet.ToolImage+`",
		"command": ["bash", "-c", "test -n \"$KEY\" && echo \"the key has ${#KEY} letters\" && id -u"],
		"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "door", "key": "key"}}}]
	}`)
	op.Spec.Selector.Names = []string{"jobs"}
	operate(t, op)
	for _, spoke := range fleet.Spokes {
		if said := logsOf(t, spoke, client.MatchingLabels{appsv1alpha1.LabelApplicationInstance: "jobs"}); said != "the key has 13 letters\n65534\n" {
			t.Errorf("on %s the job said %q", spoke.Name, said)
		}
		nowhere(t, spoke, "sesame-")
	}
	nowhere(t, fleet.Hub, "sesame-")
	jobWithRights(t)
}

// askForDoor asks the API server for a Secret as whom the pod runs, and for what else there is; it tells the codes, and how long the key is.
const askForDoor = `
said=/var/run/secrets/kubernetes.io/serviceaccount
ask() { curl --silent --cacert $said/ca.crt --header "Authorization: Bearer $(cat $said/token)" "https://kubernetes.default.svc/api/v1/namespaces/` + tenant + `/secrets$1"; }
echo "door: $(ask /door | jq -r .data.key | base64 -d | wc -c) letters"
echo "vault: $(ask /vault-of-others | jq .code)"
echo "all: $(ask '' | jq .code)"
`

// jobWithRights: a command runs as a ServiceAccount that people bound to a profile of rights. It may do what that says, and no more.
func jobWithRights(t *testing.T) {
	for _, spoke := range fleet.Spokes {
		meta := metav1.ObjectMeta{Namespace: tenant, Name: "doorkeeper"}
		create(t, spoke, placeholder("doors", map[opsv1alpha1.OperationType]opsv1alpha1.OperationEngine{opsv1alpha1.TypeRunCommand: opsv1alpha1.EngineJob}),
			&corev1.ServiceAccount{ObjectMeta: meta},
			&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"door"}, Verbs: []string{"get"}},
			}},
			&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
				Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: tenant, Name: meta.Name}}})
	}
	parameters, err := json.Marshal(map[string]any{
		"image": kindfleet.ToolImage, "command": []string{"bash", "-c", askForDoor}, "serviceAccountName": "doorkeeper",
	})
	if err != nil {
		t.Fatal(err)
	}
	op := fleetwide("read-secret-by-rights", opsv1alpha1.TypeRunCommand, string(parameters))
	op.Spec.Selector.Names = []string{"doors"}
	operate(t, op)
	for _, spoke := range fleet.Spokes {
		said := logsOf(t, spoke, client.MatchingLabels{appsv1alpha1.LabelApplicationInstance: "doors"})
		if want := "door: 13 letters\nvault: 403\nall: 403\n"; said != want {
			t.Errorf("on %s the job said %q, want %q", spoke.Name, said, want)
		}
		nowhere(t, spoke, "sesame-")
	}
}
