// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// job: one Operation on the hub runs a command in a real pod on every spoke, which reads a Secret; and the Secret is nowhere else.
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
}
