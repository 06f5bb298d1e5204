// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/hub/odoo/stream"
)

// audited is a hub with AuditSinks, whose time goes by as the test looks.
type audited struct {
	t     *testing.T
	clock *clocktesting.FakeClock
	space string
}

func newAudited(t *testing.T) *audited {
	a := &audited{t: t, clock: clocktesting.NewFakeClock(time.Now())}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "sinks-"}}
	a.must(api.Create(t.Context(), space))
	a.space = space.Name
	options := hub.ManagerOptions()
	options.Cache.ByObject = nil // the types of OCM are not served here
	options.Metrics = server.Options{BindAddress: "0"}
	options.Controller = config.Controller{SkipNameValidation: ptr.To(true)}
	mgr, err := ctrl.NewManager(apiConfig, options)
	a.must(err)
	s, err := stream.New(mgr, stream.Options{Namespace: a.space, Clock: a.clock})
	a.must(err)
	a.must(SetupAuditSinks(mgr, s, a.space, a.clock))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return a
}

func (a *audited) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *audited) eventually(what string, is func() (string, bool)) {
	a.t.Helper()
	last := ""
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		now, ok := is()
		if ok {
			return
		}
		last = now
		a.clock.Step(time.Second)
		select {
		case <-a.t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	a.t.Fatalf("%s: still %s", what, last)
}

// says that a condition of an AuditSink has a reason, and part of a message.
func (a *audited) says(sink *opsv1alpha1.AuditSink, status metav1.ConditionStatus, reason, message string) {
	a.t.Helper()
	a.eventually(reason, func() (string, bool) {
		a.must(api.Get(a.t.Context(), client.ObjectKeyFromObject(sink), sink))
		c := meta.FindStatusCondition(sink.Status.Conditions, opsv1alpha1.ConditionConnected)
		return fmt.Sprintf("%+v", c), c != nil && c.Status == status && c.Reason == reason && strings.Contains(c.Message, message)
	})
}

// touch the AuditSink, so that it is looked at now: its Secret is looked at once a minute.
func (a *audited) touch(sink *opsv1alpha1.AuditSink) {
	a.t.Helper()
	a.must(api.Get(a.t.Context(), client.ObjectKeyFromObject(sink), sink))
	before := sink.DeepCopy()
	sink.Annotations = map[string]string{"touched": fmt.Sprint(time.Now().UnixNano())}
	a.must(api.Patch(a.t.Context(), sink, client.MergeFrom(before)))
}

func (a *audited) suspend(sink *opsv1alpha1.AuditSink, on bool) {
	a.t.Helper()
	a.must(api.Get(a.t.Context(), client.ObjectKeyFromObject(sink), sink))
	before := sink.DeepCopy()
	sink.Spec.Suspend = on
	a.must(api.Patch(a.t.Context(), sink, client.MergeFrom(before)))
}

func (a *audited) operation(name string) *opsv1alpha1.Operation {
	a.t.Helper()
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{
		Namespace: a.space, Name: name, Finalizers: []string{opsv1alpha1.ReportFinalizer}, Annotations: map[string]string{
			opsv1alpha1.AnnotationOnBehalfOf: "Ada", opsv1alpha1.AnnotationRequestedBy: "system:serviceaccount:vworkspace-hub:vworkspace-control-plane",
		},
	}}
	op.Spec.Type, op.Spec.Selector = opsv1alpha1.TypeBackup, &opsv1alpha1.InstanceSelector{}
	op.Spec.Placement = &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}
	a.must(api.Create(a.t.Context(), op))
	op.Transition(a.clock.Now()).Accept("it makes sense")
	a.must(api.Status().Update(a.t.Context(), op))
	return op
}

func TestAnAuditSinkFromItsSecretToItsEnd(t *testing.T) {
	odoo := &controlplane.FakeOdoo{APIKey: secretKey, Channel: 42}
	served := httptest.NewServer(odoo)
	defer served.Close()
	a := newAudited(t)
	sink := &opsv1alpha1.AuditSink{ObjectMeta: metav1.ObjectMeta{Name: "channel"}}
	sink.Spec.SecretName = "odoo"
	sink.Spec.Discuss = &opsv1alpha1.DiscussSink{Endpoint: served.URL, Channel: 42}
	a.must(api.Create(t.Context(), sink))
	a.says(sink, metav1.ConditionFalse, opsv1alpha1.ReasonCredentialsMissing, "spec.secretName: there is no Secret odoo in namespace "+a.space)

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: a.space, Name: "odoo"}, Data: map[string][]byte{"apikey": []byte("x")}}
	a.must(api.Create(t.Context(), secret))
	a.touch(sink)
	a.says(sink, metav1.ConditionFalse, opsv1alpha1.ReasonCredentialsMissing, "key apiKey of Secret odoo is missing or empty")

	op := a.operation("first")
	secret.Data = map[string][]byte{opsv1alpha1.SecretAPIKey: []byte("wrong")}
	a.must(api.Update(t.Context(), secret))
	a.touch(sink)
	a.says(sink, metav1.ConditionFalse, opsv1alpha1.ReasonUnauthorized, "401 Unauthorized")

	secret.Data[opsv1alpha1.SecretAPIKey] = []byte(secretKey + "\n")
	a.must(api.Update(t.Context(), secret))
	a.touch(sink)
	a.says(sink, metav1.ConditionTrue, opsv1alpha1.ReasonAnswering, "")
	if m := odoo.Messages(); len(m) != 1 || !strings.Contains(m[0].Body, "Backup of the clusters of all, asked for by Ada") || sink.Status.LastContact == nil {
		t.Errorf("messages %+v, last contact %v", m, sink.Status.LastContact)
	}

	a.suspend(sink, true)
	a.says(sink, metav1.ConditionUnknown, opsv1alpha1.ReasonSuspended, "nothing is lost")
	a.must(api.Delete(t.Context(), op))
	a.gone(op)
	if n := len(odoo.Messages()); n != 1 {
		t.Errorf("%d messages, while it is suspended", n)
	}
	a.suspend(sink, false)
	a.eventually("what was deleted meanwhile is told", func() (string, bool) {
		m := odoo.Messages()
		return fmt.Sprint(m), len(m) == 2 && strings.Contains(m[1].Body, "deleted before it had ended")
	})

	last := a.operation("last")
	a.must(api.Delete(t.Context(), sink))
	a.must(api.Delete(t.Context(), last))
	a.gone(last) // nobody is to be told any more
	if wrong := odoo.Wrong(); len(wrong) > 0 {
		t.Error(wrong)
	}
}

func (a *audited) gone(op *opsv1alpha1.Operation) {
	a.t.Helper()
	a.eventually(op.Name+" is gone", func() (string, bool) {
		err := api.Get(a.t.Context(), client.ObjectKeyFromObject(op), op)
		return fmt.Sprint(op.Finalizers, err), apierrors.IsNotFound(err)
	})
}

func TestWhatASinkIsMadeFrom(t *testing.T) {
	r := &AuditSinkReconciler{}
	discuss := func(api opsv1alpha1.DiscussAPI) opsv1alpha1.AuditSinkSpec {
		return opsv1alpha1.AuditSinkSpec{SecretName: "odoo", Discuss: &opsv1alpha1.DiscussSink{Endpoint: "https://x", Channel: 1, API: api}}
	}
	for want, c := range map[string]struct {
		spec   opsv1alpha1.AuditSinkSpec
		secret map[string]string
	}{
		"":                                   {discuss(opsv1alpha1.DiscussJSON2), map[string]string{"apiKey": "k"}},
		"key login of Secret odoo":           {discuss(opsv1alpha1.DiscussJSONRPC), map[string]string{"apiKey": "k"}},
		"key apiKey of Secret odoo":          {discuss(opsv1alpha1.DiscussJSON2), map[string]string{"apiKey": " \n"}},
		"key ca.crt of the Secret":           {opsv1alpha1.AuditSinkSpec{CloudEvents: &opsv1alpha1.CloudEventsSink{Endpoint: "https://x"}}, map[string]string{"ca.crt": "no PEM"}},
		"spec: exactly one of discuss and c": {opsv1alpha1.AuditSinkSpec{}, nil},
	} {
		secret := map[string][]byte{}
		for k, v := range c.secret {
			secret[k] = []byte(v)
		}
		_, err := r.make("auditsink/a", &opsv1alpha1.AuditSink{Spec: c.spec}, secret)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
