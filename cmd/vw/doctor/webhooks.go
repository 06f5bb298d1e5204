// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/inventory"
)

// Names of what the charts make for admission, on a hub and on a cluster.
const (
	hubAdmission   = inventory.HubName + "-admission"
	agentAdmission = inventory.AgentName + "-admission"
)

const (
	// authorityLeft is how long an authority lives at least: it is replaced when 180 days are left.
	authorityLeft = 90 * 24 * time.Hour
	// servingLeft is how long a certificate serves at least: it is replaced when 30 days are left.
	servingLeft = 20 * 24 * time.Hour
)

// hook is a webhook of ours.
type hook struct {
	name   string
	config admissionregistrationv1.WebhookClientConfig
}

// checkWebhooks: they are there, trust somebody, and somebody is behind them.
func checkWebhooks(ctx context.Context, s *Site, f *Findings) error {
	hooks, asks, err := s.hooks(ctx)
	if err != nil {
		return err
	}
	if !asks {
		f.warn("see docs/concepts/admission.md: the chart's admission.enabled, or deploy/hub/admission.yaml (on a cluster deploy/spoke/admission.yaml)",
			"no webhook writes down who asks: whoever creates an Operation has to write it into it")
		return nil
	}
	behind := map[types.NamespacedName]bool{}
	for _, h := range hooks {
		judgeAuthorities(f, h, s.Now)
		if service := h.config.Service; service != nil { // else asked at an address: the check admission tells whether somebody answers
			behind[types.NamespacedName{Namespace: service.Namespace, Name: service.Name}] = true
		}
	}
	seen := len(behind) > 0
	for service := range behind {
		switch err := errors.Join(s.checkService(ctx, f, service), s.checkServing(ctx, f, service)); {
		case apierrors.IsForbidden(err):
			seen = false
			f.skip("", "who is behind Service %s cannot be seen: you may not read services and endpointslices there", service)
		case err != nil:
			return err
		}
	}
	switch {
	case f.bad():
	case seen:
		f.ok("%d webhooks trust an authority, and have somebody behind them", len(hooks))
	default:
		f.ok("%d webhooks trust an authority", len(hooks))
	}
	return nil
}

// hooks of ours, and whether one of them writes down who asks.
func (s *Site) hooks(ctx context.Context) (hooks []hook, asks bool, err error) {
	for _, name := range []string{hubAdmission, agentAdmission} {
		mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
		if err := s.Client.Get(ctx, client.ObjectKey{Name: name}, mutating); client.IgnoreNotFound(err) != nil {
			return nil, false, err
		}
		for _, w := range mutating.Webhooks {
			asks, hooks = true, append(hooks, hook{w.Name, w.ClientConfig})
		}
		if err := s.Client.Get(ctx, client.ObjectKey{Name: name}, validating); client.IgnoreNotFound(err) != nil {
			return nil, false, err
		}
		for _, w := range validating.Webhooks {
			hooks = append(hooks, hook{w.Name, w.ClientConfig})
		}
	}
	return hooks, asks, nil
}

// judgeAuthorities that a webhook trusts: one that lives is enough.
func judgeAuthorities(f *Findings, h hook, now time.Time) {
	fix := "kubectl -n vworkspace-hub logs deploy/vworkspace-hub (on a cluster: vworkspace-agent) says why it does not publish its own; where cert-manager does, kubectl get certificate -A"
	if len(h.config.CABundle) == 0 {
		f.fail(fix, "webhook %s trusts nobody: its caBundle is empty", h.name)
		return
	}
	authorities, err := cert.ParseCertsPEM(h.config.CABundle)
	if err != nil {
		f.fail(fix, "webhook %s: its caBundle cannot be read: %v", h.name, err)
		return
	}
	var ends time.Time
	for _, authority := range authorities {
		if authority.NotAfter.After(ends) {
			ends = authority.NotAfter
		}
	}
	switch left := ends.Sub(now); {
	case left <= 0:
		f.fail(fix, "webhook %s: the authority that it trusts ended on %s", h.name, day(ends))
	case left < authorityLeft:
		f.warn(fix, "webhook %s: the authority that it trusts ends on %s, and should have been replaced", h.name, day(ends))
	}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// checkService: it is there, and has somebody behind it.
func (s *Site) checkService(ctx context.Context, f *Findings, service types.NamespacedName) error {
	install := "helm upgrade the chart, or apply deploy/hub/admission.yaml (on a cluster deploy/spoke/admission.yaml)"
	err := s.Client.Get(ctx, service, &corev1.Service{})
	if apierrors.IsNotFound(err) {
		f.fail(install, "Service %s, which the API server asks, is not there", service)
		return nil
	}
	if err != nil {
		return err
	}
	slices := &discoveryv1.EndpointSliceList{}
	if err := s.Client.List(ctx, slices, client.InNamespace(service.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service.Name}); err != nil {
		return err
	}
	if ready(slices.Items) == 0 {
		f.fail(fmt.Sprintf("kubectl -n %s get pods", service.Namespace), "nobody is behind Service %s, which the API server asks: no pod is ready", service)
	}
	return nil
}

func ready(list []discoveryv1.EndpointSlice) (n int) {
	for _, slice := range list {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				n++
			}
		}
	}
	return n
}

// checkServing: the certificate in the Secret of the Service's name. Whoever may not read Secrets does without.
func (s *Site) checkServing(ctx context.Context, f *Findings, service types.NamespacedName) error {
	secret := &corev1.Secret{}
	if err := s.Client.Get(ctx, service, secret); apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return err
	}
	certificates, err := cert.ParseCertsPEM(secret.Data[corev1.TLSCertKey])
	if err != nil {
		f.fail(fmt.Sprintf("kubectl -n %s logs deploy/%s", service.Namespace, deploymentOf(service.Namespace)), "Secret %s holds no certificate to show: %v", service, err)
		return nil
	}
	fix := fmt.Sprintf("kubectl -n %s logs deploy/%s says why it is not renewed", service.Namespace, deploymentOf(service.Namespace))
	switch ends := certificates[0].NotAfter; {
	case !ends.After(s.Now):
		f.fail(fix, "the certificate in Secret %s ended on %s", service, day(ends))
	case ends.Sub(s.Now) < servingLeft:
		f.warn(fix, "the certificate in Secret %s ends on %s, and should have been replaced", service, day(ends))
	}
	return nil
}

func deploymentOf(namespace string) string {
	if namespace == opsv1alpha1.DefaultAgentNamespace {
		return inventory.AgentName
	}
	return inventory.HubName
}

// checkAdmission pretends to create an Operation: nothing is stored.
func checkAdmission(ctx context.Context, s *Site, f *Findings) error {
	probe := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, GenerateName: "vw-doctor-"},
		Spec: opsv1alpha1.OperationSpec{
			Type:      opsv1alpha1.TypeBackup,
			TargetRef: &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "vw-doctor"},
		},
	}
	err := s.Client.Create(ctx, probe, client.DryRunAll)
	switch {
	case apierrors.IsNotFound(err):
		f.skip("name one by -n", "namespace %s does not exist, so that nothing can be created in it", s.Namespace)
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "denied the request"):
		f.ok("whoever asks is answered: %v", err)
	case apierrors.IsForbidden(err):
		return err
	case err != nil:
		f.fail("look at the check webhooks, and docs/concepts/admission.md#when-something-is-missing", "no Operation can be created: %v", err)
	case probe.Annotations[opsv1alpha1.AnnotationRequestedBy] == "":
		f.warn("see docs/concepts/admission.md#when-something-is-missing", "an Operation can be created, and nobody writes down who asks")
	default:
		f.ok("an Operation can be created, as %s", probe.Annotations[opsv1alpha1.AnnotationRequestedBy])
	}
	return nil
}

// names of objects, sorted.
func sorted(names []string) []string {
	slices.Sort(names)
	return names
}
