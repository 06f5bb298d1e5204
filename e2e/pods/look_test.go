// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/kindfleet"
	"vworkspace.io/fleet/e2e/testbed"
)

// nowhere holds that no object of a cluster has a word in it, but for Secrets, and no log of the platform.
func nowhere(t *testing.T, c *kindfleet.Cluster, word string) {
	t.Helper()
	for name, o := range everything(t, c) {
		raw, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if o.GetKind() != "Secret" && bytes.Contains(raw, []byte(word)) {
			t.Errorf("%s on %s tells what is in a Secret", name, c.Name)
		}
	}
	var pods corev1.PodList
	if err := connect(t, c).List(t.Context(), &pods); err != nil {
		t.Fatal(err)
	}
	for i := range pods.Items {
		if p := &pods.Items[i]; strings.HasPrefix(p.Namespace, "vworkspace-") && strings.Contains(podLog(t, c, p), word) {
			t.Errorf("the log of %s on %s tells what is in a Secret", p.Name, c.Name)
		}
	}
}

// everything is every object of a cluster, by "Kind NAMESPACE/NAME".
func everything(t *testing.T, c *kindfleet.Cluster) map[string]*unstructured.Unstructured {
	t.Helper()
	all, err := testbed.Everything(t.Context(), c.Config)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// logsOf the one pod of a tenant on a spoke that has labels.
func logsOf(t *testing.T, spoke *kindfleet.Cluster, labels client.MatchingLabels) string {
	t.Helper()
	var pods corev1.PodList
	err := connect(t, spoke).List(t.Context(), &pods, client.InNamespace(tenant), labels)
	if err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 {
		t.Fatalf("%d pods with %v on %s, want 1", len(pods.Items), labels, spoke.Name)
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
