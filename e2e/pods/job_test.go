// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// TestJob: one Operation on the hub runs a command in a real pod on every spoke, which reads a Secret; and the Secret is nowhere else.
func TestJob(t *testing.T) {
	needsFleet(t)
	tenantEverywhere(t)
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
		if said := logsOf(t, spoke, "jobs"); !strings.Contains(said, "the key has 13 letters") {
			t.Errorf("on %s the job said %q", spoke.Name, said)
		}
	}
}

// logsOf the one pod on a spoke that ran for an Operation on an instance.
func logsOf(t *testing.T, spoke *kindfleet.Cluster, instance string) string {
	t.Helper()
	var pods corev1.PodList
	err := connect(t, spoke).List(t.Context(), &pods, client.InNamespace(tenant), client.MatchingLabels{appsv1alpha1.LabelApplicationInstance: instance})
	if err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 {
		t.Fatalf("%d pods of %s on %s, want 1", len(pods.Items), instance, spoke.Name)
	}
	return podLog(t, spoke, &pods.Items[0])
}

func podLog(t *testing.T, c *kindfleet.Cluster, pod *corev1.Pod) string {
	t.Helper()
	kube, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := kube.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).Stream(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	said, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}
