// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/admission"
	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestDown: while nobody answers, nobody can create an Operation, and hears why; everything else goes on.
func TestDown(t *testing.T) {
	stop := served(t, nil)
	op := operation(nil)
	if err := alice(t).Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	stop()
	err := alice(t).Create(t.Context(), operation(nil))
	if !apierrors.IsInternalError(err) || !strings.Contains(err.Error(), `failed calling webhook "stamp.ops.vworkspace.io"`) {
		t.Errorf("create: got %v, want it to name the webhook", err)
	}
	before := op.DeepCopy()
	op.Spec.Cancel = true
	if err := alice(t).Patch(t.Context(), op, client.MergeFrom(before)); err != nil {
		t.Errorf("cancel: %v", err)
	}
	if err := alice(t).Create(t.Context(), instance("stray", "spoke2")); err != nil {
		t.Errorf("an instance, whose rules are checked again: %v", err)
	}
	if err := alice(t).Delete(t.Context(), op); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func instance(name, cluster string) *appsv1alpha1.ApplicationInstance {
	ai := &appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Namespace: shops, Name: name, Labels: map[string]string{}},
		Spec: appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "shop"}}}
	if cluster != "" {
		ai.Labels[appsv1alpha1.LabelClusterID] = cluster
	}
	return ai
}

// TestRules: a rule that is plugged in refuses with the path of the field, sees the object as it will be stored, and is not asked about what a hub
// delivers or about what is on its way out.
func TestRules(t *testing.T) {
	served(t, func(o *admission.Options) {
		o.Operations = []admission.Rule{func(_ context.Context, q admission.Question) field.ErrorList {
			op, isOperation := q.Object.(*opsv1alpha1.Operation)
			if !isOperation || op.Annotations[by] != q.Request.UserInfo.Username {
				return field.ErrorList{field.InternalError(nil, nil)}
			}
			if op.Spec.Type == opsv1alpha1.TypeRestore {
				return field.ErrorList{field.Forbidden(field.NewPath("spec", "type"), "not today: choose Backup")}
			}
			return nil
		}}
		o.Templates = []admission.Rule{admission.ValidTemplate}
	})
	restore := func(op *opsv1alpha1.Operation) { op.Spec.Type = opsv1alpha1.TypeRestore }
	if err := alice(t).Create(t.Context(), operation(nil)); err != nil {
		t.Error(err)
	}
	err := alice(t).Create(t.Context(), operation(restore))
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.type: Forbidden: not today: choose Backup") {
		t.Errorf("got %v", err)
	}
	if err := admin.Create(t.Context(), operation(func(op *opsv1alpha1.Operation) { restore(op); labelled(opsv1alpha1.LabelRoot, "7")(op) })); err != nil {
		t.Errorf("a delivery: %v", err)
	}
	template := &opsv1alpha1.OperationTemplate{ObjectMeta: metav1.ObjectMeta{Name: "backup"}, Spec: opsv1alpha1.OperationTemplateSpec{
		Type: opsv1alpha1.TypeBackup, Engine: opsv1alpha1.EngineVelero, RBACProfile: "velero", InputSchema: &runtime.RawExtension{Raw: []byte(`{"type":"number"}`)}}}
	bad := template.DeepCopy()
	bad.Spec.InputSchema.Raw = []byte(`{"type":"thing"}`)
	if err := admin.Create(t.Context(), bad); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.inputSchema: Invalid value") {
		t.Errorf("a template that makes no sense: %v", err)
	}
	template.Spec.InputSchema.Raw = []byte(`{"type":"object"}`)
	if err := admin.Create(t.Context(), template); err != nil {
		t.Errorf("a template: %v", err)
	}
}

// TestOfCluster: on a cluster nobody makes an instance of another one; what is there already can still be changed.
func TestOfCluster(t *testing.T) {
	stray := instance("strayed", "spoke2")
	if err := alice(t).Create(t.Context(), stray); err != nil { // nobody is asked
		t.Fatal(err)
	}
	served(t, nil)
	for cluster, refused := range map[string]bool{"": false, "spoke1": false, "spoke2": true} {
		err := alice(t).Create(t.Context(), instance("of-"+cluster+"x", cluster))
		if refused != apierrors.IsInvalid(err) || !refused && err != nil {
			t.Errorf("of cluster %q: %v", cluster, err)
		}
		if refused && !strings.Contains(err.Error(), "this is cluster spoke1: leave the label out here, or create it on the hub, which delivers it to spoke2") {
			t.Error(err)
		}
	}
	before := stray.DeepCopy()
	stray.Finalizers = append(stray.Finalizers, "example.com/hold")
	if err := alice(t).Patch(t.Context(), stray, client.MergeFrom(before)); err != nil {
		t.Errorf("change another field: %v", err)
	}
	before = stray.DeepCopy()
	stray.Labels[appsv1alpha1.LabelClusterID] = "spoke3"
	if err := alice(t).Patch(t.Context(), stray, client.MergeFrom(before)); !apierrors.IsInvalid(err) {
		t.Errorf("change the label: %v", err)
	}
	stray = before
	if err := alice(t).Delete(t.Context(), stray); err != nil {
		t.Fatal(err)
	}
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(stray), stray); err != nil {
		t.Fatal(err)
	}
	before = stray.DeepCopy()
	stray.Finalizers = nil
	if err := alice(t).Patch(t.Context(), stray, client.MergeFrom(before)); err != nil {
		t.Errorf("let go: %v", err)
	}
}

// TestClusterNeverChanges: an instance that was delivered stays where it is, by the API server's own doing.
func TestClusterNeverChanges(t *testing.T) {
	ai := instance("delivered", "spoke1")
	if err := alice(t).Create(t.Context(), ai); err != nil {
		t.Fatal(err)
	}
	move := func(cluster string) error {
		before := ai.DeepCopy()
		after := ai.DeepCopy()
		after.Labels = map[string]string{appsv1alpha1.LabelClusterID: cluster}
		err := alice(t).Patch(t.Context(), after, client.MergeFrom(before))
		if err == nil {
			ai = after
		}
		return err
	}
	if err := move("spoke2"); err != nil {
		t.Errorf("before it was delivered: %v", err)
	}
	before := ai.DeepCopy()
	ai.Status.Cluster = "spoke1" // it was changed in the moment of delivery: the label says otherwise
	if err := admin.Status().Patch(t.Context(), ai, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	if err := move("spoke3"); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "which was to spoke1: delete the instance and create it again") {
		t.Errorf("to a third: %v", err)
	}
	if err := move("spoke1"); err != nil {
		t.Errorf("set back: %v", err)
	}
	if err := move("spoke2"); !apierrors.IsInvalid(err) {
		t.Errorf("away again: %v", err)
	}
	before = ai.DeepCopy()
	ai.Spec.AppRef.CatalogID = "blog"
	if err := alice(t).Patch(t.Context(), ai, client.MergeFrom(before)); err != nil {
		t.Errorf("another field: %v", err)
	}
}

// shown is the certificate that a server shows, checked as the API server checks it, by what is published.
func shown(address string, authorities []byte, now func() time.Time) (*x509.Certificate, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authorities)
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", address, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: now})
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // it was only looked at
	return conn.ConnectionState().PeerCertificates[0], nil
}

func published(t *testing.T) []byte {
	t.Helper()
	mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
	key := client.ObjectKey{Name: agentSide.name}
	if err := admin.Get(t.Context(), key, mutating); err != nil {
		t.Fatal(err)
	}
	if err := admin.Get(t.Context(), key, validating); err != nil {
		t.Fatal(err)
	}
	authorities := mutating.Webhooks[0].ClientConfig.CABundle
	for _, w := range validating.Webhooks {
		if !bytes.Equal(w.ClientConfig.CABundle, authorities) {
			return nil // being written
		}
	}
	return authorities
}

// TestReplicas: two that start at once, with an empty Secret, come to the same certificate. It is renewed in time, and published again when somebody
// has taken it out; the Secret can be emptied to have everything made anew.
func TestReplicas(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: opsv1alpha1.DefaultAgentNamespace, Name: agentSide.name}}
	empty := func() {
		t.Helper()
		if err := admin.Patch(t.Context(), secret.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"data":null}`))); err != nil {
			t.Fatal(err)
		}
	}
	empty()
	clock := clocktesting.NewFakeClock(time.Now())
	with := func(o *admission.Options) { o.Clock = clock }
	first, _ := agent(t, with)
	second, _ := agent(t, with)
	asked(t, agentSide, first)
	same := func(what string, not *x509.Certificate) *x509.Certificate {
		t.Helper()
		var found *x509.Certificate
		eventually(t, func() string {
			clock.Step(time.Minute) // whoever waits for the next look need not
			a, err := shown(first, published(t), clock.Now)
			if err != nil {
				return what + ", first: " + err.Error()
			}
			b, err := shown(second, published(t), clock.Now)
			switch {
			case err != nil:
				return what + ", second: " + err.Error()
			case !a.Equal(b):
				return what + ": they show different certificates"
			case not != nil && a.Equal(not):
				return what + ": they show the old certificate"
			}
			found = a
			return ""
		})
		return found
	}
	made := same("in the beginning", nil)
	clock.Step(61 * 24 * time.Hour)
	renewed := same("after two months", made)
	empty()
	anew := same("after the Secret was emptied", renewed)
	for _, o := range []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: agentSide.name}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: agentSide.name}},
	} {
		if err := admin.Patch(t.Context(), o, client.RawPatch("application/json-patch+json", []byte(`[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`))); err != nil {
			t.Fatal(err)
		}
	}
	if still := same("after it was taken out", nil); !still.Equal(anew) {
		t.Error("another certificate was made for nothing")
	}
}

// TestOptions: what cannot be served is refused before anything is started.
func TestOptions(t *testing.T) {
	for _, address := range []string{"9443", ":0", "host:port", ":70000"} {
		if _, err := admission.New(admission.Options{BindAddress: address, Name: "a", Namespace: "b"}); err == nil || !strings.Contains(err.Error(), address) {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, address := range []string{"", "0"} {
		s, err := admission.New(admission.Options{BindAddress: address})
		if err != nil || s.Serves() || s.WebhookServer() != nil || s.Setup(nil) != nil {
			t.Errorf("%q serves", address)
		}
	}
}
