// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"vworkspace.io/fleet/e2e/kindfleet"
)

var (
	exported   = regexp.MustCompile(`(?m)^# TYPE (vworkspace_\w+) `)
	documented = regexp.MustCompile("(?m)^\\| `(vworkspace_\\w+)` \\|")
)

// metrics: what our charts' Services lead to tells Prometheus what the reference says, and nothing that it does not.
func metrics(t *testing.T) {
	page, err := os.ReadFile(checkout + "/docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range documented.FindAllStringSubmatch(string(page), -1) {
		known[m[1]] = true
	}
	for _, of := range []struct {
		cluster            *kindfleet.Cluster
		namespace, service string
		sure               string
	}{
		{fleet.Hub, kindfleet.HubNamespace, "vworkspace-hub-metrics", "vworkspace_hub_works_in_flight"},
		{fleet.Spokes[0], kindfleet.AgentNamespace, "vworkspace-agent-metrics", "vworkspace_agent_clusters"},
	} {
		found := map[string]bool{}
		for _, said := range scrape(t, of.cluster, of.namespace, of.service) {
			for _, m := range exported.FindAllSubmatch(said, -1) {
				found[string(m[1])] = true
				if !known[string(m[1])] {
					t.Errorf("%s on %s exports %s, which docs/reference/metrics.md does not know", of.service, of.cluster.Name, m[1])
				}
			}
		}
		if !found[of.sure] {
			t.Errorf("%s on %s does not export %s, but %v", of.service, of.cluster.Name, of.sure, found)
		}
	}
}

// scrape every pod behind a Service, as Prometheus does.
func scrape(t *testing.T, c *kindfleet.Cluster, namespace, service string) [][]byte {
	t.Helper()
	kube, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	slices, err := kube.DiscoveryV1().EndpointSlices(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service})
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			for _, port := range slice.Ports {
				said, err := kube.CoreV1().Pods(namespace).ProxyGet("http", endpoint.TargetRef.Name, fmt.Sprint(*port.Port), "/metrics", nil).DoRaw(t.Context())
				if err != nil {
					t.Fatalf("scrape %s on %s: %v", endpoint.TargetRef.Name, c.Name, err)
				}
				all = append(all, said)
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("nothing is behind %s on %s", service, c.Name)
	}
	return all
}
