// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/wire"
)

func TestOperationFromAJob(t *testing.T) {
	b := connected(t)
	id := b.enqueue(controlplane.NewJob{
		Job: wire.Job{Kind: wire.KindIntent, RequestedBy: "ann@example.com"}, Object: intent("request-operation", map[string]any{"operation": b.operation("b1")}),
	})
	op := b.awaitOperation("b1")
	if op.Labels[appsv1alpha1.LabelManagedBy] != appsv1alpha1.ManagedByControlPlane || op.Annotations[opsv1alpha1.AnnotationJob] != b.id+"/"+id ||
		op.Annotations[opsv1alpha1.AnnotationOnBehalfOf] != "ann@example.com" || len(op.Finalizers) != 1 || op.Finalizers[0] != opsv1alpha1.ReportFinalizer {
		t.Errorf("it was made with %+v", op.ObjectMeta)
	}
	b.conclude("b1", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "2 of 2")
	got := b.expect(id, wire.OutcomeSucceeded, "")
	if got.AppliedRef == nil || got.AppliedRef.UID != string(op.UID) || got.AppliedRef.Name != "b1" {
		t.Errorf("the result names %+v", got.AppliedRef)
	}
	b.awaitCondition(b.id, opsv1alpha1.ConditionConnected, metav1.ConditionTrue, opsv1alpha1.ReasonAnswering)
	b.awaitCondition(b.id, opsv1alpha1.ConditionAuthenticated, metav1.ConditionTrue, opsv1alpha1.ReasonAnswering)
}

func TestOutcomesOfOperations(t *testing.T) {
	b := connected(t)
	failed := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("failed")})
	stopped := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("stopped")})
	b.conclude("failed", opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "1 of 2 failed")
	b.expect(failed, wire.OutcomeFailed, "SomeFailed: 1 of 2 failed")
	b.conclude("stopped", opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, "spec.cancel")
	b.expect(stopped, wire.OutcomeFailed, "UserCancelled: spec.cancel")
	b.create(b.operation("there"))
	conflict := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("there")})
	b.expect(conflict, wire.OutcomeConflict, "metadata.name: Operation "+b.id+"/there exists, and was made by somebody else: give the new one another name")
	twice := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("failed")})
	b.expect(twice, wire.OutcomeConflict, "was made by job "+b.id+"/"+failed)
}

func TestInstanceFromAJob(t *testing.T) {
	b := connected(t)
	id := b.enqueue(controlplane.NewJob{
		Job:    wire.Job{Kind: wire.KindIntent, IdempotencyKey: "ApplicationInstance/" + b.id + "/shop@1"},
		Object: intent("ensure-application-instance", map[string]any{"applicationInstance": b.instance("shop", "c1", "1.0.0")}),
	})
	b.report("shop", metav1.ConditionFalse, appsv1alpha1.ReasonProgressing, "installing")
	b.eventually("a status shall be told", func() string {
		for _, s := range b.fake.Job(id).Statuses {
			if strings.Contains(s.Message, "Progressing: installing") {
				return ""
			}
		}
		return "none"
	})
	b.report("shop", metav1.ConditionTrue, appsv1alpha1.ReasonInstalled, "it runs")
	b.expect(id, wire.OutcomeSucceeded, "")

	again := b.enqueue(controlplane.NewJob{
		Job: wire.Job{Kind: wire.KindApply, IdempotencyKey: "ApplicationInstance/" + b.id + "/shop@1"}, Object: b.instance("shop", "c1", "9.9.9"),
	})
	b.expect(again, wire.OutcomeNoop, "has the same idempotencyKey")

	next := b.enqueue(controlplane.NewJob{
		Job: wire.Job{Kind: wire.KindApply, IdempotencyKey: "ApplicationInstance/" + b.id + "/shop@3"}, Object: b.instance("shop", "c1", "3.0.0"),
	})
	b.eventually("version 3 shall be wanted", func() string {
		if got := b.awaitInstance("shop").Spec.Chart.Version; got != "3.0.0" {
			return got
		}
		return ""
	})
	b.report("shop", metav1.ConditionFalse, appsv1alpha1.ReasonReleaseFailed, "no such chart")
	b.expect(next, wire.OutcomeFailed, "ReleaseFailed: no such chart")
	old := b.enqueue(controlplane.NewJob{
		Job: wire.Job{Kind: wire.KindApply, IdempotencyKey: "ApplicationInstance/" + b.id + "/shop@2"}, Object: b.instance("shop", "c1", "2.0.0"),
	})
	b.expect(old, wire.OutcomeNoop, "superseded by generation 3")
	if got := b.awaitInstance("shop").Spec.Chart.Version; got != "3.0.0" {
		t.Errorf("an older generation was applied: %s", got)
	}
}

func TestConflictNamesManagerAndField(t *testing.T) {
	b := connected(t)
	b.create(b.instance("shop", "c1", "1.0.0"))
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.instance("shop", "c1", "2.0.0")})
	b.expect(id, wire.OutcomeConflict, `spec.chart.version is held by "kubectl"`)
}

func TestDeletion(t *testing.T) {
	b := connected(t)
	b.create(b.instance("shop", "c1", "1.0.0"))
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindIntent}, Object: intent("delete-application-instance", map[string]any{"namespace": b.id, "name": "shop"})})
	b.expect(id, wire.OutcomeSucceeded, "")
	id = b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindIntent}, Object: intent("delete-application-instance", map[string]any{"namespace": b.id, "name": "shop"})})
	b.expect(id, wire.OutcomeNoop, "ApplicationInstance "+b.id+"/shop is not there")
	b.create(b.operation("kept", func(o map[string]any) {
		o["metadata"].(map[string]any)["finalizers"] = []any{"example.com/hold"}
	}))
	id = b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindDelete}, Object: b.operation("kept")})
	b.eventually("it shall be said that it is being deleted", func() string {
		for _, s := range b.fake.Job(id).Statuses {
			if s.Phase == "Deleting" {
				return ""
			}
		}
		return "not said"
	})
	if b.fake.Job(id).Result != nil {
		t.Error("the result was told before it was gone")
	}
	op := b.awaitOperation("kept")
	op.Finalizers = nil
	b.must(api.Update(b.ctx, op))
	b.expect(id, wire.OutcomeSucceeded, "")
}

func TestRefusals(t *testing.T) {
	b := connected(t)
	cases := []struct {
		name    string
		job     wire.Job
		object  any
		outcome string
		want    string
	}{
		{"unknown intent", wire.Job{Kind: wire.KindIntent}, intent("dance", nil), wire.OutcomeFailed, `payload.intent: "dance" is none that the hub knows`},
		{"missing namespace", wire.Job{Kind: wire.KindApply}, func() any {
			o := b.operation("x")
			o["metadata"].(map[string]any)["namespace"] = "nowhere"
			return o
		}(), wire.OutcomeFailed, "metadata.namespace: there is no namespace nowhere on the hub: kubectl create namespace nowhere"},
		{"unknown field", wire.Job{Kind: wire.KindApply}, b.operation("x", func(o map[string]any) {
			o["spec"].(map[string]any)["typo"] = 1
		}), wire.OutcomeFailed, `unknown field "spec.typo"`},
		{"unknown field of an instance", wire.Job{Kind: wire.KindApply}, func() any {
			o := b.instance("y", "c1", "1.0.0")
			o["spec"].(map[string]any)["typo"] = 1
			return o
		}(), wire.OutcomeFailed, ".spec.typo"},
		{"invalid", wire.Job{Kind: wire.KindApply}, b.instance("y", "c1", "latest"), wire.OutcomeFailed, "spec.chart.version"},
		{"expired", wire.Job{Kind: wire.KindApply, ExpiresAt: metav1.Now().Add(-1e9)}, b.operation("x"), wire.OutcomeNoop, "expired: expiresAt is "},
		{"signature without keys", wire.Job{Kind: wire.KindApply, Signature: "a..b"}, b.operation("x"), wire.OutcomeFailed, "signature: the hub has no key to verify it with: put the key set of the control plane into Secret odoo-a as signingKeys"},
	}
	for _, c := range cases {
		t.Log(c.name)
		b.expect(b.enqueue(controlplane.NewJob{Job: c.job, Object: c.object}), c.outcome, c.want)
	}
	list := &opsv1alpha1.OperationList{}
	b.must(api.List(b.ctx, list))
	for _, op := range list.Items {
		if op.Namespace == b.id {
			t.Errorf("Operation %s was made", op.Name)
		}
	}
}

func TestAccountWithoutRights(t *testing.T) {
	b := connected(t, func(cp *opsv1alpha1.ControlPlane) { cp.Spec.ServiceAccount = "powerless" })
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("b1")})
	b.expect(id, wire.OutcomeFailed, `User "system:serviceaccount:vworkspace-hub:powerless" cannot create resource "operations" in API group "ops.vworkspace.io" in the namespace "`+
		b.id+`": grant it with a Role in namespace `+b.id)
	b.create(b.instance("shop", "c1", "1.0.0"))
	id = b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindDelete}, Object: b.instance("shop", "c1", "1.0.0")})
	b.expect(id, wire.OutcomeFailed, "cannot delete resource")
	b.change(b.id, func(s *opsv1alpha1.ControlPlaneSpec) { s.ServiceAccount = "root" })
	b.observed(b.id)
	id = b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("b2")})
	b.expect(id, wire.OutcomeFailed, "the hub may not act as system:serviceaccount:vworkspace-hub:root")
}

func TestSignedAndEncrypted(t *testing.T) {
	b := newBed(t, controlplane.Options{})
	b.secret("odoo-a", map[string]string{
		opsv1alpha1.SecretRegistrationToken: b.fake.RegistrationToken("fleet-1"), opsv1alpha1.SecretSigningKeys: string(b.fake.SigningKeys()),
	})
	b.controlPlane(b.id, func(cp *opsv1alpha1.ControlPlane) { cp.Spec.RequireSignatures, cp.Spec.RequireEncryption = true, true })
	b.startHub()
	b.awaitCondition(b.id, opsv1alpha1.ConditionConnected, metav1.ConditionTrue, opsv1alpha1.ReasonAnswering)
	id := b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("good"), Sign: true, Encrypt: true})
	b.conclude("good", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "")
	b.expect(id, wire.OutcomeSucceeded, "")
	id = b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("plain"), Sign: true})
	b.expect(id, wire.OutcomeFailed, "payload: it must be encrypted, because the ControlPlane has spec.requireEncryption")
	id = b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: b.operation("unsigned"), Encrypt: true})
	b.expect(id, wire.OutcomeFailed, "signature: it is missing, and the ControlPlane has spec.requireSignatures")
	id = b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply, EncryptedPayload: "a.b.c.d.e"}, Sign: false})
	b.expect(id, wire.OutcomeFailed, "encryptedPayload: is not a compact JWE")
	secret := b.operation("secret", func(o map[string]any) { o["spec"].(map[string]any)["type"] = "hunter2" })
	id = b.enqueue(controlplane.NewJob{Job: wire.Job{Kind: wire.KindApply}, Object: secret, Sign: true, Encrypt: true})
	if got := b.expect(id, wire.OutcomeFailed, "the API server refuses spec.type"); strings.Contains(got.Error, "hunter2") {
		t.Errorf("the result repeats what was encrypted: %s", got.Error)
	}
}
