// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestObservability: the PrometheusRule has the alerts of deploy/observability and the ConfigMap its dashboard, both about the namespaces of this
// installation, and with links to where the runbooks are published.
func TestObservability(t *testing.T) {
	values := readValues(t, "testdata/hub/everything.yaml")
	var rule *unstructured.Unstructured
	var dashboard *corev1.ConfigMap
	for _, document := range rendered(t, "hub", values) {
		switch o := decode(t, document).(type) {
		case *unstructured.Unstructured:
			if o.GetKind() == "PrometheusRule" {
				rule = o
			}
		case *corev1.ConfigMap:
			dashboard = o
		}
	}
	if rule == nil || dashboard == nil {
		t.Fatalf("there is no PrometheusRule (%v), or no ConfigMap (%v)", rule, dashboard)
	}
	if rule.GetLabels()["release"] != "prometheus" || dashboard.Labels["grafana"] != "fleet" {
		t.Errorf("not labelled as the values say: %v, %v", rule.GetLabels(), dashboard.Labels)
	}
	want := map[string]any{}
	installed := strings.NewReplacer("vworkspace-(hub|agent|hosted)", "(fleet-system|fleet-agent|vworkspace-hosted)",
		"runbook_url: docs/", "runbook_url: https://git.example.com/fleet/blob/main/docs/")
	if err := yaml.Unmarshal([]byte(installed.Replace(string(read(t, "../observability/rules.yaml")))), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, rule.Object["spec"]); diff != "" {
		t.Errorf("the alerts of the PrometheusRule (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(strings.TrimSpace(installed.Replace(string(read(t, "../observability/dashboard.json")))), strings.TrimSpace(dashboard.Data["vworkspace-fleet.json"])); diff != "" {
		t.Errorf("the dashboard (-want +got):\n%s", diff)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
