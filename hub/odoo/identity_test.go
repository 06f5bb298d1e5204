// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// works tells that jobs are carried out.
func (b *bed) works(cluster string) {
	b.t.Helper()
	id := b.enqueue(controlplane.NewJob{Cluster: cluster, Job: wire.Job{Kind: wire.KindIntent}, Object: intent("delete-application-instance", map[string]any{"namespace": b.id, "name": "nothing"})})
	b.expect(id, wire.OutcomeNoop, "is not there")
}

func (b *bed) count(operation controlplane.Operation) (n int) {
	for _, q := range b.fake.Requests() {
		if q.Operation == operation {
			n++
		}
	}
	return n
}

func TestRegistration(t *testing.T) {
	b := newBed(t, controlplane.Options{})
	token := b.fake.RegistrationToken("fleet-7")
	b.secret("odoo-a", map[string]string{opsv1alpha1.SecretRegistrationToken: token + "\n"})
	b.controlPlane(b.id)
	b.startHub()
	b.works("fleet-7")
	data := b.readSecret()
	if data[opsv1alpha1.SecretRegistrationToken] != "" || data[opsv1alpha1.SecretToken] == "" || data[opsv1alpha1.SecretClusterID] != "fleet-7" {
		t.Errorf("the Secret has the keys %v", keysOf(data))
	}
	if b.fake.PublicKey("fleet-7") == nil || !strings.Contains(data[opsv1alpha1.SecretDecryptionKey], `"d":`) {
		t.Error("no key was made to decrypt by, or it was not told")
	}
	b.awaitCondition(b.id, opsv1alpha1.ConditionAuthenticated, metav1.ConditionTrue, opsv1alpha1.ReasonRegistered)
	b.eventually("the status shall tell", func() string {
		if s := b.readControlPlane(b.id).Status; s.ClusterID != "fleet-7" || s.RotatedAt == nil || s.LastContact == nil || s.Jobs == nil {
			return b.dump()
		}
		return ""
	})
	if strings.Contains(b.dump(), data[opsv1alpha1.SecretToken]) {
		t.Error("the status tells the token")
	}
}

func keysOf(data map[string]string) (keys []string) {
	for key := range data {
		keys = append(keys, key)
	}
	return keys
}

func TestRegistrationTokenThatWasUsed(t *testing.T) {
	b := newBed(t, controlplane.Options{})
	b.fake.SetFaults(func(q controlplane.Request) *controlplane.Fault {
		if q.Operation == controlplane.Register && q.Nth == 1 {
			return &controlplane.Fault{Reset: true, TookEffect: true} // the answer is lost
		}
		return nil
	})
	b.secret("odoo-a", map[string]string{opsv1alpha1.SecretRegistrationToken: b.fake.RegistrationToken("fleet-7")})
	b.controlPlane(b.id)
	b.startHub()
	message := b.awaitCondition(b.id, opsv1alpha1.ConditionAuthenticated, metav1.ConditionFalse, opsv1alpha1.ReasonUnauthorized)
	if want := `Secret odoo-a: data["registrationToken"]: the control plane does not take it: `; !strings.HasPrefix(message, want) || !strings.Contains(message, "have it give out another one") {
		t.Errorf("the condition says %q", message)
	}
	b.changeSecret(opsv1alpha1.SecretRegistrationToken, b.fake.RegistrationToken("fleet-7"))
	b.fake.Repaired()
	b.change(b.id, func(s *opsv1alpha1.ControlPlaneSpec) {
		s.RequireSignatures = true
		s.RequireSignatures = false
		s.JobTimeout = &metav1.Duration{Duration: time.Hour}
	})
	b.works("fleet-7")
}

// A status that says why is refused by a conflict, as one of the pass before that the cache does not know yet does. The next pass says it again.
func TestRefusedTokenIsSaidThoughTheStatusConflicted(t *testing.T) {
	b := newBed(t, controlplane.Options{})
	conflicts := 0
	b.funcs.SubResourcePatch = func(ctx context.Context, c client.Client, sub string, o client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
		if cp, ok := o.(*opsv1alpha1.ControlPlane); ok && conflicts == 0 && meta.IsStatusConditionFalse(cp.Status.Conditions, opsv1alpha1.ConditionAuthenticated) {
			conflicts++
			return apierrors.NewConflict(opsv1alpha1.GroupVersion.WithResource("controlplanes").GroupResource(), cp.Name, errors.New("changed"))
		}
		return c.SubResource(sub).Patch(ctx, o, patch, opts...)
	}
	b.secret("odoo-a", map[string]string{opsv1alpha1.SecretRegistrationToken: "no-such-token"})
	b.controlPlane(b.id)
	b.startHub()
	b.awaitCondition(b.id, opsv1alpha1.ConditionAuthenticated, metav1.ConditionFalse, opsv1alpha1.ReasonUnauthorized)
	if n := b.count(controlplane.Register); n != 1 || conflicts != 1 {
		t.Errorf("it was tried %d times, and the status conflicted %d times, want once each", n, conflicts)
	}
}

func TestCredentialsThatCannotBeStoredAreKept(t *testing.T) {
	b := newBed(t, controlplane.Options{})
	b.secret("odoo-a", map[string]string{opsv1alpha1.SecretRegistrationToken: b.fake.RegistrationToken("fleet-7")})
	failures := 0
	b.funcs.Update = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
		if s, ok := o.(*corev1.Secret); ok && len(s.Data[opsv1alpha1.SecretToken]) > 0 && failures < 2 {
			failures++
			return apierrors.NewServerTimeout(corev1.Resource("secrets"), "update", 1)
		}
		return c.Update(ctx, o, opts...)
	}
	b.controlPlane(b.id)
	b.startHub()
	b.works("fleet-7")
	if n := b.count(controlplane.Register); n != 1 || failures != 2 {
		t.Errorf("it was registered %d times, and storing failed %d times", n, failures)
	}
}

func TestSecretsThatCannotBeUsed(t *testing.T) {
	good := "token-x"
	cases := []struct {
		name, secret string
		data         map[string]string
		reason, want string
	}{
		{name: "no Secret", secret: "odoo-b", reason: opsv1alpha1.ReasonCredentialsMissing, want: "spec.credentialsSecret: there is no Secret vworkspace-hub/odoo-b: create it with a registration token"},
		{name: "a Secret that is not the hub's", secret: "other", reason: opsv1alpha1.ReasonInvalidConfiguration, want: "spec.credentialsSecret: the hub may not get Secret vworkspace-hub/other: name it in controlPlane.secrets of the hub's chart"},
		{name: "nothing in it", data: map[string]string{"x": "y"}, reason: opsv1alpha1.ReasonCredentialsMissing, want: `Secret odoo-a: data["registrationToken"] is missing: put a registration token from the control plane there`},
		{name: "no identity", data: map[string]string{"token": good}, reason: opsv1alpha1.ReasonInvalidConfiguration, want: "clusterId is missing"},
		{name: "a token of two lines", data: map[string]string{"token": "a\nb", "clusterId": "c"}, reason: opsv1alpha1.ReasonInvalidConfiguration, want: "token has a space, a line break"},
		{name: "a registration token with a space", data: map[string]string{"registrationToken": "a b"}, reason: opsv1alpha1.ReasonInvalidConfiguration, want: `data["registrationToken"]: token has a space`},
		{name: "no time", data: map[string]string{"token": good, "clusterId": "c", "expiresAt": "soon"}, reason: opsv1alpha1.ReasonInvalidConfiguration, want: `Secret odoo-a: data["expiresAt"]: it must be a time in RFC 3339`},
		{name: "no certificate", data: map[string]string{"token": good, "clusterId": "c", "ca.crt": "x"}, reason: opsv1alpha1.ReasonInvalidConfiguration, want: `data["ca.crt"]: it holds no certificate in PEM`},
		{name: "a key without its certificate", data: map[string]string{"token": good, "clusterId": "c", "tls.key": "x"}, reason: opsv1alpha1.ReasonInvalidConfiguration, want: `data["tls.crt"]: it is missing, and tls.key is there`},
		{name: "a certificate without its key", data: map[string]string{"token": good, "clusterId": "c", "tls.crt": "x"}, reason: opsv1alpha1.ReasonInvalidConfiguration, want: `data["tls.key"]: it is missing, and tls.crt is there`},
		{name: "a certificate and a key that are none", data: map[string]string{"token": good, "clusterId": "c", "tls.crt": "x", "tls.key": "y"}, reason: opsv1alpha1.ReasonInvalidConfiguration, want: `data["tls.crt"]: it is not a certificate in PEM that tls.key is the key of`},
		{name: "no key set", data: map[string]string{"token": good, "clusterId": "c", "signingKeys": "x"}, reason: opsv1alpha1.ReasonInvalidConfiguration, want: `data["signingKeys"]: signingKeys is not a JSON Web Key Set`},
		{name: "no key", data: map[string]string{"token": good, "clusterId": "c", "decryptionKey": "x"}, reason: opsv1alpha1.ReasonInvalidConfiguration, want: `data["decryptionKey"]: decryptionKey is not a JSON Web Key`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, controlplane.Options{})
			if c.data != nil {
				b.secret("odoo-a", c.data)
			}
			b.controlPlane(b.id, func(cp *opsv1alpha1.ControlPlane) {
				if c.secret != "" {
					cp.Spec.CredentialsSecret = c.secret
				}
			})
			b.startHub()
			message := b.awaitCondition(b.id, opsv1alpha1.ConditionAuthenticated, metav1.ConditionFalse, c.reason)
			if !strings.Contains(message, c.want) || strings.Contains(message, good) {
				t.Errorf("the condition says %q", message)
			}
			if n := len(b.fake.Requests()); n != 0 {
				t.Errorf("%d requests were made", n)
			}
		})
	}
}

func TestUnknownTokenIsReadAnewOnce(t *testing.T) {
	b := connected(t)
	b.works("fleet-1")
	token := b.readSecret()[opsv1alpha1.SecretToken]
	b.changeSecret(opsv1alpha1.SecretToken, b.fake.Token("fleet-1"))
	b.fake.Revoke(token)
	b.fake.Leave() // so that a request is made with the old one before the Secret is looked at again
	b.fake.Return()
	b.works("fleet-1")
	b.awaitCondition(b.id, opsv1alpha1.ConditionAuthenticated, metav1.ConditionTrue, opsv1alpha1.ReasonAnswering)

	token = b.readSecret()[opsv1alpha1.SecretToken]
	b.fake.Revoke(token)
	b.fake.Leave()
	b.fake.Return()
	message := b.awaitCondition(b.id, opsv1alpha1.ConditionAuthenticated, metav1.ConditionFalse, opsv1alpha1.ReasonUnauthorized)
	if !strings.Contains(message, "put a new registration token into Secret odoo-a as registrationToken") || strings.Contains(message, token) {
		t.Errorf("the condition says %q", message)
	}
	polls := b.count(controlplane.Poll)
	b.changeSecret(opsv1alpha1.SecretToken, b.fake.Token("fleet-1"))
	b.change(b.id, func(s *opsv1alpha1.ControlPlaneSpec) { s.JobTimeout = &metav1.Duration{Duration: time.Hour} }) // sooner than the next look
	b.works("fleet-1")
	b.awaitCondition(b.id, opsv1alpha1.ConditionAuthenticated, metav1.ConditionTrue, opsv1alpha1.ReasonAnswering)
	if polls == 0 {
		t.Error("nothing was asked for")
	}
}

func TestForbidden(t *testing.T) {
	b := newBed(t, controlplane.Options{})
	b.fake.SetFaults(func(q controlplane.Request) *controlplane.Fault {
		if q.Operation == controlplane.Poll {
			return &controlplane.Fault{Status: http.StatusForbidden}
		}
		return nil
	})
	b.secret("odoo-a", map[string]string{opsv1alpha1.SecretToken: b.fake.Token("fleet-1"), opsv1alpha1.SecretClusterID: "fleet-1"})
	b.controlPlane(b.id)
	b.startHub()
	message := b.awaitCondition(b.id, opsv1alpha1.ConditionAuthenticated, metav1.ConditionFalse, opsv1alpha1.ReasonForbidden)
	if !strings.Contains(message, "not for cluster fleet-1: mend spec.clusterId") {
		t.Errorf("the condition says %q", message)
	}
	b.awaitCondition(b.id, opsv1alpha1.ConditionConnected, metav1.ConditionFalse, opsv1alpha1.ReasonForbidden)
	b.fake.SetFaults(nil)
	b.fake.Repaired()
	b.change(b.id, func(s *opsv1alpha1.ControlPlaneSpec) { s.JobTimeout = &metav1.Duration{Duration: time.Hour} })
	b.works("fleet-1")
	if n := b.count(controlplane.Poll); n > 3 {
		t.Errorf("it was polled %d times", n)
	}
}

func TestRateLimited(t *testing.T) {
	b := newBed(t, controlplane.Options{})
	b.fake.SetFaults(func(q controlplane.Request) *controlplane.Fault {
		limited := []controlplane.Operation{controlplane.Poll, controlplane.Events, controlplane.Result}
		if q.Nth == 1 && slices.Contains(limited, q.Operation) {
			return &controlplane.Fault{Status: http.StatusTooManyRequests, RetryAfter: 5 * time.Second, RetryAfterDate: q.Operation == controlplane.Result}
		}
		return nil
	})
	b.secret("odoo-a", map[string]string{opsv1alpha1.SecretToken: b.fake.Token("fleet-1"), opsv1alpha1.SecretClusterID: "fleet-1"})
	b.controlPlane(b.id)
	b.startHub()
	b.awaitCondition(b.id, opsv1alpha1.ConditionConnected, metav1.ConditionFalse, opsv1alpha1.ReasonRateLimited)
	b.works("fleet-1")
	b.awaitCondition(b.id, opsv1alpha1.ConditionConnected, metav1.ConditionTrue, opsv1alpha1.ReasonAnswering)
}

func TestAway(t *testing.T) {
	b := connected(t)
	b.works("fleet-1")
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("b1")})
	b.awaitOperation("b1")
	b.fake.Leave()
	b.awaitCondition(b.id, opsv1alpha1.ConditionConnected, metav1.ConditionFalse, opsv1alpha1.ReasonUnreachable)
	b.conclude("b1", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "")
	b.fake.Return()
	b.expect(id, wire.OutcomeSucceeded, "")
	b.awaitCondition(b.id, opsv1alpha1.ConditionConnected, metav1.ConditionTrue, opsv1alpha1.ReasonAnswering)
}

func TestRotation(t *testing.T) {
	b := connected(t)
	b.works("fleet-1")
	old := b.readSecret()[opsv1alpha1.SecretToken]
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindIntent}, Object: intent("rotate-operator-credentials", nil)})
	b.expect(id, wire.OutcomeSucceeded, "")
	first := b.readSecret()[opsv1alpha1.SecretToken]
	if first == old {
		t.Error("the token is the same")
	}
	b.awaitCondition(b.id, opsv1alpha1.ConditionAuthenticated, metav1.ConditionTrue, opsv1alpha1.ReasonCredentialRotated)
	b.fake.EndGrace()
	b.works("fleet-1")
	b.change(b.id, func(s *opsv1alpha1.ControlPlaneSpec) { s.RotateEvery = &metav1.Duration{Duration: time.Second} })
	b.eventually("it shall be exchanged by itself", func() string {
		if b.readSecret()[opsv1alpha1.SecretToken] == first {
			return "the same"
		}
		return ""
	})
	b.change(b.id, func(s *opsv1alpha1.ControlPlaneSpec) { s.RotateEvery = nil })
	b.works("fleet-1")
}

func TestMutualTLS(t *testing.T) {
	certificate, key, pool := selfSigned(t)
	b := newBed(t, controlplane.Options{TLS: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12}})
	b.secret("odoo-a", map[string]string{
		opsv1alpha1.SecretToken: b.fake.Token("fleet-1"), opsv1alpha1.SecretClusterID: "fleet-1", opsv1alpha1.SecretCA: string(b.fake.CA()),
		opsv1alpha1.SecretClientCertificate: certificate, opsv1alpha1.SecretClientKey: key,
	})
	b.controlPlane(b.id)
	b.startHub()
	b.works("fleet-1")
	b.changeSecret(opsv1alpha1.SecretCA, certificate) // of somebody else
	b.change(b.id, func(s *opsv1alpha1.ControlPlaneSpec) { s.JobTimeout = &metav1.Duration{Duration: time.Hour} })
	message := b.awaitCondition(b.id, opsv1alpha1.ConditionConnected, metav1.ConditionFalse, opsv1alpha1.ReasonUnreachable)
	if !strings.Contains(message, "certificate") {
		t.Errorf("the condition says %q", message)
	}
}

func TestIdentitiesOfOneClusterEach(t *testing.T) {
	b := newBed(t, controlplane.Options{})
	for name, cluster := range map[string]string{"a": "c1", "b": "c2"} {
		b.secret("odoo-"+name, map[string]string{opsv1alpha1.SecretToken: b.fake.Token("id-" + name), opsv1alpha1.SecretClusterID: "id-" + name})
		b.controlPlane(b.id+name, func(cp *opsv1alpha1.ControlPlane) {
			cp.Spec.CredentialsSecret, cp.Spec.ManagedCluster = "odoo-"+name, cluster
		})
	}
	b.startHub()
	ensure := func(identity, name, cluster string) string {
		return b.enqueue(controlplane.NewJob{
			Cluster: identity, Job: wire.Job{Kind: wire.KindIntent}, Object: intent("ensure-application-instance", map[string]any{"applicationInstance": b.instance(name, cluster, "1.0.0")}),
		})
	}
	mine, theirs := ensure("id-a", "shop", ""), ensure("id-b", "forum", "id-b")
	b.report("shop", metav1.ConditionTrue, appsv1alpha1.ReasonInstalled, "")
	b.report("forum", metav1.ConditionTrue, appsv1alpha1.ReasonInstalled, "")
	b.expect(mine, wire.OutcomeSucceeded, "")
	b.expect(theirs, wire.OutcomeSucceeded, "")
	if a, c := b.awaitInstance("shop").Labels[appsv1alpha1.LabelClusterID], b.awaitInstance("forum").Labels[appsv1alpha1.LabelClusterID]; a != "c1" || c != "c2" {
		t.Errorf("they went to %s and %s", a, c)
	}
	b.expect(ensure("id-a", "blog", "c2"), wire.OutcomeFailed, `app.vworkspace.io/cluster-id is "c2"`)
	b.expect(ensure("id-a", "forum", ""), wire.OutcomeFailed, "ApplicationInstance "+b.id+"/forum is another cluster's")
	if got := b.awaitInstance("forum").Labels[appsv1alpha1.LabelClusterID]; got != "c2" {
		t.Errorf("it was taken to %s", got)
	}
	operate := func(identity, name, target string) string {
		return b.enqueue(controlplane.NewJob{Cluster: identity, Job: wire.Job{Kind: wire.KindApply}, Object: b.operation(name, func(o map[string]any) {
			o["spec"].(map[string]any)["targetRef"].(map[string]any)["name"] = target
		})})
	}
	b.expect(operate("id-a", "o1", "forum"), wire.OutcomeFailed, "is another cluster's")
	b.expect(operate("id-a", "o2", "nothing"), wire.OutcomeFailed, "spec.targetRef.name: the identity id-a stands for cluster c1 alone")
	good := operate("id-a", "o3", "shop")
	b.conclude("o3", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "")
	b.expect(good, wire.OutcomeSucceeded, "")
	remove := func(identity, name string) string {
		return b.enqueue(controlplane.NewJob{
			Cluster: identity, Job: wire.Job{Kind: wire.KindIntent}, Object: intent("delete-application-instance", map[string]any{"namespace": b.id, "name": name}),
		})
	}
	b.expect(remove("id-a", "forum"), wire.OutcomeFailed, "is another cluster's")
	b.expect(remove("id-b", "forum"), wire.OutcomeSucceeded, "")
}

func TestSuspendedAndDeleted(t *testing.T) {
	b := connected(t)
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("b1")})
	b.awaitOperation("b1")
	b.change(b.id, func(s *opsv1alpha1.ControlPlaneSpec) { s.Suspend = true })
	b.awaitCondition(b.id, opsv1alpha1.ConditionConnected, metav1.ConditionFalse, opsv1alpha1.ReasonSuspended)
	b.conclude("b1", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "")
	b.must(api.Delete(b.ctx, b.readControlPlane(b.id)))
	if b.fake.Job(id).Result != nil {
		t.Error("the result was told while it was suspended")
	}
	b.controlPlane(b.id) // of the same name: what was open is gone on with
	b.expect(id, wire.OutcomeSucceeded, "")
}
