// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"vworkspace.io/fleet/admission"
)

// TestAdmission: the API server asks where the process answers, without a webhook nothing but creating Operations stops, and whoever gives the certificates
// is alone in that.
func TestAdmission(t *testing.T) {
	cases(t, func(t *testing.T, chart string, values map[string]any) {
		enabled, certManager := true, false
		if a, set := values["admission"].(map[string]any); set {
			enabled = a["enabled"] != false
			certManager = a["certManager"] != nil
		}
		var paths []string
		var fail []string
		var deployment *appsv1.Deployment
		made := map[string]int{}
		for _, document := range rendered(t, chart, values) {
			o := decode(t, document)
			made[kindOf(o)]++
			switch o := o.(type) {
			case *corev1.Secret:
				checkEmpty(t, o)
				if !strings.HasSuffix(o.Name, "-admission") {
					made[kindOf(o)]-- // of control planes
				}
			case *appsv1.Deployment:
				deployment = o
			case *admissionregistrationv1.MutatingWebhookConfiguration:
				for _, w := range o.Webhooks {
					paths, fail = append(paths, *w.ClientConfig.Service.Path), failing(fail, w.Name, w.FailurePolicy)
				}
			case *admissionregistrationv1.ValidatingWebhookConfiguration:
				for _, w := range o.Webhooks {
					paths, fail = append(paths, *w.ClientConfig.Service.Path), failing(fail, w.Name, w.FailurePolicy)
				}
			}
		}
		var served []string
		if enabled {
			served = []string{admission.PathStamp, admission.PathValidateOperations, admission.PathValidateTemplates, admission.PathValidateInstances}
		}
		if !slices.Equal(paths, served) || enabled && !slices.Equal(fail, []string{"stamp.ops.vworkspace.io"}) {
			t.Errorf("the API server asks at %v, and fails without %v", paths, fail)
		}
		checkCertificates(t, deployment, made, enabled, certManager)
	})
}

func checkEmpty(t *testing.T, s *corev1.Secret) {
	t.Helper()
	if len(s.Data) > 0 || len(s.StringData) > 0 {
		t.Errorf("Secret %s is not empty: an upgrade would take away what is in it", s.Name)
	}
}

// checkCertificates: they come from one place only.
func checkCertificates(t *testing.T, deployment *appsv1.Deployment, made map[string]int, enabled, certManager bool) {
	t.Helper()
	args := deployment.Spec.Template.Spec.Containers[0].Args
	if files := slices.Contains(args, "--admission-cert-dir=/admission"); files != certManager || made["Certificate"] > 0 != certManager {
		t.Errorf("certificates by cert-manager: %v and %d Certificates, want %v", files, made["Certificate"], certManager)
	}
	if own := enabled && !certManager; made["Secret"] > 0 != own {
		t.Errorf("%d Secrets, want one: %v", made["Secret"], own)
	}
}

func failing(names []string, name string, policy *admissionregistrationv1.FailurePolicyType) []string {
	if policy == nil || *policy != admissionregistrationv1.Ignore {
		return append(names, name)
	}
	return names
}

func kindOf(o runtime.Object) string { return o.GetObjectKind().GroupVersionKind().Kind }
