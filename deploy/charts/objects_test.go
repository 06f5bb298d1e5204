// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// decode reads a document as its kind, strictly. The kinds of the Prometheus operator and of cert-manager have no Go type here.
func decode(t *testing.T, document string) runtime.Object {
	t.Helper()
	var u unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(document), &u.Object); err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	if group := u.GroupVersionKind().Group; group == "monitoring.coreos.com" || group == "cert-manager.io" {
		return &u
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, opsv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	object, _, err := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer().Decode([]byte(document), nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	return object
}

// TestObjects: every document is a well-formed object, and every pod is as restricted as Kubernetes knows how.
func TestObjects(t *testing.T) {
	cases(t, func(t *testing.T, chart string, values map[string]any) {
		deployments := 0
		for _, document := range rendered(t, chart, values) {
			switch o := decode(t, document).(type) {
			case *appsv1.Deployment:
				deployments++
				checkDeployment(t, o)
			case *apiextensionsv1.CustomResourceDefinition:
				if o.Annotations["helm.sh/resource-policy"] != "keep" {
					t.Errorf("CRD %s would go when the chart is uninstalled, and every object of it", o.Name)
				}
			}
		}
		if deployments != 1 {
			t.Errorf("%d Deployments, want 1", deployments)
		}
	})
}

// TestHosted: deploy/hosted, which is no chart, holds to the same.
func TestHosted(t *testing.T) {
	text := read(t, "../hosted/deployment.yaml")
	var deployment *appsv1.Deployment
	var service *corev1.Service
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		switch o := decode(t, document).(type) {
		case *appsv1.Deployment:
			deployment = o
		case *corev1.Service:
			service = o
		}
	}
	if deployment == nil || service == nil {
		t.Fatalf("there is no Deployment (%v), or no Service (%v)", deployment, service)
	}
	checkDeployment(t, deployment)
	for k, v := range service.Spec.Selector {
		if deployment.Spec.Template.Labels[k] != v {
			t.Errorf("the Service wants label %s=%s, the pods have %q", k, v, deployment.Spec.Template.Labels[k])
		}
	}
}

// checkDeployment holds that its pods are restricted, and its own.
func checkDeployment(t *testing.T, o *appsv1.Deployment) {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &o.Spec.Template
	level := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	for _, r := range evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec) {
		if !r.Allowed {
			t.Errorf("Pod Security: %s: %s", r.ForbiddenReason, r.ForbiddenDetail)
		}
	}
	checkContainer(t, template.Spec.Containers)
	for k, v := range o.Spec.Selector.MatchLabels {
		if template.Labels[k] != v {
			t.Errorf("the selector wants label %s=%s, the pods have %q", k, v, template.Labels[k])
		}
	}
}

// checkContainer looks at what Pod Security does not.
func checkContainer(t *testing.T, containers []corev1.Container) {
	t.Helper()
	if len(containers) != 1 {
		t.Fatalf("%d containers, want 1", len(containers))
	}
	c := containers[0]
	if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
		t.Error("the root file system can be written")
	}
	if c.LivenessProbe == nil || c.ReadinessProbe == nil {
		t.Error("a probe is missing")
	}
	if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
		t.Error("a resource request is missing")
	}
	ports := map[string]bool{}
	for _, p := range c.Ports {
		ports[p.Name] = true
	}
	if !ports[c.LivenessProbe.HTTPGet.Port.StrVal] || !ports[c.ReadinessProbe.HTTPGet.Port.StrVal] {
		t.Errorf("a probe asks a port that is not there: %v", c.Ports)
	}
}

// TestEverything: what the values say arrives, in the place that it is about.
func TestEverything(t *testing.T) {
	for chart, want := range map[string][]string{
		"hub": {"--agent-namespace=fleet-agent", "system:serviceaccount:fleet-agent:vworkspace-operations", "== 'system:serviceaccount:fleet-agent:vworkspace-agent'", "--platform-namespace=platform",
			"--leader-elect-namespace=fleet-system", "--work-retention=1h", "  name: platform\n",
			"--control-planes", "name: odoo-discuss\n", "namespace: shops\n", "name: vworkspace-control-plane-catalog\n", "cidr: 192.0.2.0/24", "- port: 8069"},
		"spoke": {"--cluster=berlin-1", "== 'system:serviceaccount:fleet-system:vworkspace-agent'", "--agent-namespace=fleet-system", "--leader-elect=true", "namespace: shops\n", "namespace: blogs\n"},
	} {
		t.Run(chart, func(t *testing.T) {
			text := strings.Join(rendered(t, chart, readValues(t, "testdata/"+chart+"/everything.yaml")), "\n---\n")
			for _, s := range append(want, "image: registry.example.com:5000/team/"+chart+"@sha256:0123456789abcdef", "priorityClassName: system-cluster-critical",
				"imagePullSecrets:\n        - name: pull", "--metrics-bind-address=:9090", "interval: 1m", "release: prometheus", "maxUnavailable: 50%",
				"cidr: fd00::/8", "example.com/role: fleet", "kind: ValidatingAdmissionPolicyBinding") {
				if !strings.Contains(text, s) {
					t.Errorf("%q is missing", s)
				}
			}
		})
	}
}
