// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta/testrestmapper"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// on a site with some objects, where everything that is asked for is allowed or not.
func on(t *testing.T, run func(context.Context, *Site, *Findings) error, allowed bool, objects ...client.Object) func(*Findings) {
	return func(f *Findings) {
		reviews := interceptor.Funcs{Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
			if review, ok := o.(*authorizationv1.SubjectAccessReview); ok {
				review.Status.Allowed = allowed
			}
			return nil
		}}
		scheme := Scheme()
		c := fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(testrestmapper.TestOnlyStaticRESTMapper(scheme)).WithObjects(objects...).WithInterceptorFuncs(reviews)
		s := &Site{Client: c.Build(), Now: now}
		if err := run(t.Context(), s, f); err != nil {
			t.Error(err)
		}
	}
}

func namespaced(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func TestProfiles(t *testing.T) {
	var roles []client.Object
	for _, name := range []string{"helm", "helmhookjob", "job", "velero", "volsync", "workflow"} {
		roles = append(roles, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "vworkspace-profile-" + name}})
	}
	check(t, []judged{
		{"well", on(t, checkProfiles, true, roles...), "OK the profiles helm, helmhookjob, job, velero, volsync, workflow are installed"},
		{"one is gone", on(t, checkProfiles, true, roles[1:]...), "WARN ClusterRoles that are not there, so that no run has the profile: vworkspace-profile-helm"},
		{"velero's is not bound", on(t, checkProfiles, false, roles...), "FAIL profile velero may not create backups.velero.io in namespace velero"},
	})
}

func TestExecutors(t *testing.T) {
	fleet := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: klusterletNamespace}}
	two := []client.Object{
		fleet, &corev1.ServiceAccount{ObjectMeta: namespaced("vworkspace-agent", "vworkspace-operations")},
		&corev1.ServiceAccount{ObjectMeta: namespaced("vworkspace-agent", "vworkspace-instances")},
	}
	all := append(two[:3:3], &corev1.ServiceAccount{ObjectMeta: namespaced("vworkspace-agent", "vworkspace-catalog")})
	check(t, []judged{
		{"no fleet", on(t, checkExecutors, true), "SKIP this cluster is in no fleet, as far as can be seen: namespace open-cluster-management-agent is not there"},
		{"well", on(t, checkExecutors, true, all...), "OK all three are there"},
		{"one is gone", on(t, checkExecutors, true, two...), "FAIL ServiceAccounts that are not there in namespace vworkspace-agent: vworkspace-catalog"},
	})
}

func TestAgent(t *testing.T) {
	check(t, []judged{
		{"no namespace", on(t, checkAgent, true), "FAIL namespace vworkspace-agent, in which the hub's Operations arrive, is not there"},
		{"nothing in it", on(t, checkAgent, true, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "vworkspace-agent"}}),
			"WARN there is neither a Deployment nor a Lease of vworkspace-agent: it is not installed, or runs elsewhere"},
	})
}

func TestWebhooks(t *testing.T) {
	hooks := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: hubAdmission}}
	hooks.Webhooks = []admissionregistrationv1.MutatingWebhook{{Name: "stamp", ClientConfig: admissionregistrationv1.WebhookClientConfig{
		CABundle: authority(t, now.Add(365*24*time.Hour)),
		Service:  &admissionregistrationv1.ServiceReference{Namespace: "vworkspace-hub", Name: hubAdmission},
	}}}
	service := &corev1.Service{ObjectMeta: namespaced("vworkspace-hub", hubAdmission)}
	endpoints := func(isReady bool) client.Object {
		slice := &discoveryv1.EndpointSlice{ObjectMeta: namespaced("vworkspace-hub", "x"), Endpoints: []discoveryv1.Endpoint{{Conditions: discoveryv1.EndpointConditions{Ready: &isReady}}}}
		slice.Labels = map[string]string{discoveryv1.LabelServiceName: hubAdmission}
		return slice
	}
	serving := func(left time.Duration) client.Object {
		return &corev1.Secret{ObjectMeta: namespaced("vworkspace-hub", hubAdmission), Data: map[string][]byte{corev1.TLSCertKey: authority(t, now.Add(left))}}
	}
	const day = 24 * time.Hour
	check(t, []judged{
		{"none", on(t, checkWebhooks, true), "WARN no webhook writes down who asks: whoever creates an Operation has to write it into it"},
		{"well", on(t, checkWebhooks, true, hooks, service, endpoints(true), serving(60*day)), "OK 1 webhooks trust an authority, and have somebody behind them"},
		{"no Service", on(t, checkWebhooks, true, hooks), "FAIL Service vworkspace-hub/vworkspace-hub-admission, which the API server asks, is not there"},
		{"nobody behind", on(t, checkWebhooks, true, hooks, service, endpoints(false)),
			"FAIL nobody is behind Service vworkspace-hub/vworkspace-hub-admission, which the API server asks: no pod is ready"},
		{"certificate ended", on(t, checkWebhooks, true, hooks, service, endpoints(true), serving(-day)),
			"FAIL the certificate in Secret vworkspace-hub/vworkspace-hub-admission ended on 2030-01-01"},
		{"certificate ends", on(t, checkWebhooks, true, hooks, service, endpoints(true), serving(5*day)),
			"WARN the certificate in Secret vworkspace-hub/vworkspace-hub-admission ends on 2030-01-07, and should have been replaced"},
		{"no certificate", on(t, checkWebhooks, true, hooks, service, endpoints(true), &corev1.Secret{ObjectMeta: namespaced("vworkspace-hub", hubAdmission)}),
			"FAIL Secret vworkspace-hub/vworkspace-hub-admission holds no certificate to show: data does not contain any valid RSA or ECDSA certificates"},
	})
}

// TestWithoutRights: what is forbidden is skipped, with the right that is missing; other errors are told.
func TestWithoutRights(t *testing.T) {
	run := func(err error) Finding {
		found := examine(t.Context(), &Site{}, Check{Name: "x", run: func(context.Context, *Site, *Findings) error { return err }})
		if len(found) != 1 {
			t.Fatalf("%+v", found)
		}
		return found[0]
	}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "", nil)
	forbidden.ErrStatus.Message = `leases is forbidden: User "x" cannot list resource "leases" in API group "" at the cluster scope`
	if f := run(forbidden); f.Level != Skip || f.Message != `you may not look: cannot list resource "leases" in API group "" at the cluster scope` {
		t.Errorf("%+v", f)
	}
	if f := run(context.DeadlineExceeded); f.Level != Fail || f.Message != "could not be looked at: context deadline exceeded" {
		t.Errorf("%+v", f)
	}
	if several([]string{"a", "b", "c", "d", "e", "f", "g"}) != "a, b, c, d, e and 2 more" {
		t.Error("several")
	}
}
