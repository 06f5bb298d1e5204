// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
)

// TestBadValues: what is wrong with the values is refused, by an error that names the value.
func TestBadValues(t *testing.T) {
	for _, c := range []struct{ chart, values, want string }{
		{"hub", "image: {repository: null}", "image.repository: say where you pushed the image"},
		{"spoke", "image: {repository: ''}", "image.repository: say where you pushed the image"},
		{"hub", "replica: 3", "additional properties 'replica' not allowed"},
		{"hub", "replicas: two", "/replicas"},
		{"hub", "replicas: -1", "/replicas"},
		{"hub", "image: {digest: latest}", "/image/digest"},
		{"hub", "image: {tag: 'a b'}", "/image/tag"},
		{"hub", "image: {repository: 'registry.example.com/hub@sha256:0'}", "/image/repository"},
		{"hub", "image: {pullPolicy: Sometimes}", "/image/pullPolicy"},
		{"hub", "imagePullSecrets: [pull]", "/imagePullSecrets/0"},
		{"hub", "agentNamespace: Agent_1", "/agentNamespace"},
		{"hub", "platformNamespace: {name: ''}", "/platformNamespace/name"},
		{"hub", "crds: {install: 'yes'}", "/crds/install"},
		{"hub", "approvals: {keysSecret: Keys}", "/approvals/keysSecret"},
		{"spoke", "approvals: {keysSecret: ''}", "/approvals/keysSecret"},
		{"hub", "extraArgs: {work-retention: 1h}", "/extraArgs"},
		{"hub", "extraArgs: [work-retention=1h]", "/extraArgs/0"},
		{"hub", "resources: {requests: {memory: 64 MB}}", "/resources/requests/memory"},
		{"hub", "resources: {request: {memory: 64Mi}}", "at '/resources': additional properties 'request' not allowed"},
		{"hub", "podDisruptionBudget: {maxUnavailable: half}", "/podDisruptionBudget/maxUnavailable"},
		{"hub", "networkPolicy: {apiServerCIDRs: [10.0.0.1]}", "/networkPolicy/apiServerCIDRs/0"},
		{"hub", "networkPolicy: {apiServerPorts: []}", "/networkPolicy/apiServerPorts"},
		{"hub", "metrics: {port: 8081}", "/metrics/port"},
		{"hub", "metrics: {serviceMonitor: {interval: often}}", "/metrics/serviceMonitor/interval"},
		{"hub", "metrics: {enabled: false, serviceMonitor: {enabled: true}}", "metrics.serviceMonitor.enabled: there is nothing to scrape"},
		{"hub", "metrics: {prometheusRule: {runbookPrefix: git.example.com}}", "/metrics/prometheusRule/runbookPrefix"},
		{"hub", "metrics: {dashboard: {label: x}}", "at '/metrics/dashboard': additional properties 'label' not allowed"},
		{"hub", "admission: {port: 8081}", "/admission/port"},
		{"hub", "admission: {port: 8080}", "admission.port: is the port of the metrics"},
		{"hub", "admission: {enabled: maybe}", "/admission/enabled"},
		{"hub", "admission: {certManager: {issuer: x}}", "at '/admission/certManager': additional properties 'issuer' not allowed"},
		{"hub", "authorization: {enabled: 'no'}", "/authorization/enabled"},
		{"hub", "controlPlane: {enabled: true, secrets: []}", "controlPlane.secrets: name at least one Secret"},
		{"hub", "controlPlane: {secrets: [Odoo]}", "/controlPlane/secrets/0"},
		{"hub", "controlPlane: {namespaces: shops}", "/controlPlane/namespaces"},
		{"hub", "controlPlane: {endpoint: x}", "at '/controlPlane': additional properties 'endpoint' not allowed"},
		{"hub", "networkPolicy: {controlPlanePorts: []}", "/networkPolicy/controlPlanePorts"},
		{"hub", "networkPolicy: {admissionFrom: [10.0.0.0/8]}", "/networkPolicy/admissionFrom/0"},
		{"spoke", "authorization: {enabled: false}", "additional properties 'authorization' not allowed"},
		{"spoke", "cluster: Berlin", "/cluster"},
		{"spoke", "leaderElection: 'on'", "/leaderElection"},
		{"spoke", "{replicas: 2, leaderElection: false}", "leaderElection: must be true when replicas is more than 1"},
		{"spoke", "executors: {instanceNamespaces: shops}", "/executors/instanceNamespaces"},
		{"spoke", "policy: {types: [Backups]}", "/policy/types/0"},
		{"spoke", "policy: {namespaces: shops}", "/policy/namespaces"},
		{"spoke", "policy: {image: [x]}", "at '/policy': additional properties 'image' not allowed"},
		{"spoke", "profiles: {extra: [Nightly]}", "/profiles/extra/0"},
		{"spoke", "profiles: {extra: [agent]}", "/profiles/extra/0"},
		{"spoke", "profiles: {veleroNamespace: Velero}", "/profiles/veleroNamespace"},
		{"spoke", "agentNamespace: elsewhere", "additional properties 'agentNamespace' not allowed"},
	} {
		t.Run(c.chart+"/"+c.values, func(t *testing.T) {
			values := chartutil.MergeTables(parseValues(t, c.values), smallest(t, c.chart))
			_, err := Render(c.chart, Options{Release: "fleet", Namespace: "fleet-system", Values: values})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one that says %q", err, c.want)
			}
		})
	}
}
