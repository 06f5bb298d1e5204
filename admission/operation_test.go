// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/admission"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/approvals/approvalstest"
)

// listed puts a template for Backups by Velero into the catalog until the test ends. It is not found unless it is named.
func listed(t testing.TB, name string, change func(*opsv1alpha1.OperationTemplateSpec)) {
	t.Helper()
	template := &opsv1alpha1.OperationTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: opsv1alpha1.OperationTemplateSpec{
		Type: opsv1alpha1.TypeBackup, Engine: opsv1alpha1.EngineVelero, TargetSelector: &opsv1alpha1.TargetSelector{CatalogIDs: []string{"nobody"}},
	}}
	change(&template.Spec)
	if err := admin.Create(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin.Delete(context.Background(), template); err != nil {
			t.Error(err)
		}
	})
}

// TestFollows: what no cluster could do, or what the namespace may not, is refused where it is asked for, by its field; what may still become right is stored.
func TestFollows(t *testing.T) {
	listed(t, "strict", func(s *opsv1alpha1.OperationTemplateSpec) {
		s.InputSchema = &runtime.RawExtension{Raw: []byte(`{"properties":{"ttl":{"pattern":"^[0-9]+h$"}},"required":["ttl"],"additionalProperties":false}`)}
	})
	listed(t, "filled", func(s *opsv1alpha1.OperationTemplateSpec) {
		s.InputSchema = &runtime.RawExtension{Raw: []byte(`{"required":["ttl"]}`)}
		s.Defaults = &runtime.RawExtension{Raw: []byte(`{"ttl":"24h"}`)}
	})
	listed(t, "others", func(s *opsv1alpha1.OperationTemplateSpec) { s.AllowedNamespaces = []string{"gardens"} })
	shop := instance("shop", "")
	shop.Annotations = map[string]string{opsv1alpha1.TypeBackup.Capability(): string(opsv1alpha1.EngineVelero)}
	if err := admin.Create(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Delete(context.Background(), shop) })
	const canary = "for-ever-5f0c1a"
	for _, side := range []struct {
		name string
		side side
		rule *admission.Follows
	}{
		{"hub", hubSide, &admission.Follows{}}, {"hub that requires templates", hubSide, &admission.Follows{Required: true}},
		{"agent", agentSide, &admission.Follows{AgentNamespace: agentSide.namespace}},
	} {
		t.Run(side.name, func(t *testing.T) {
			servedBy(t, side.side, func(o *admission.Options) { o.Operations = []admission.Rule{side.rule.Rule} })
			noTemplate, ofTheOnly := "", "spec.parameters.ttl"
			if side.rule.AgentNamespace != "" {
				ofTheOnly = "" // a target may have its own
			}
			if side.rule.Required {
				noTemplate = `spec: Forbidden: spec.templateRef.name: there is no OperationTemplate "absent"`
			}
			for name, c := range map[string]struct {
				template, parameters string
				target               string
				engine               opsv1alpha1.OperationEngine
				refusal              string
			}{
				"right":             {"strict", `{"ttl":"24h"}`, "", "", ""},
				"an expression":     {"strict", `{"ttl":"${cluster.labels['ttl']}"}`, "", "", ""},
				"misspelt for one":  {"strict", `{"tttl":"${cluster.labels['ttl']}"}`, "", "", "spec.parameters.tttl"},
				"filled in":         {"filled", ``, "", "", ""},
				"missing":           {"strict", ``, "", "", "spec.parameters.ttl: Required value"},
				"wrong":             {"strict", `{"ttl":"` + canary + `"}`, "", "", "spec.parameters.ttl: Invalid value: must match ^[0-9]+h$"},
				"misspelt":          {"strict", `{"ttl":"24h","tttl":"` + canary + `"}`, "", "", "spec.parameters.tttl"},
				"too deep":          {"filled", `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "", "", "spec.parameters: Invalid value: objects and lists may be at most 32 deep"},
				"another engine":    {"filled", ``, "", opsv1alpha1.EngineVolsync, "spec.engine: Forbidden: OperationTemplate filled runs on velero, not on volsync: leave spec.engine out"},
				"for others":        {"others", ``, "", "", "spec.templateRef.name: Forbidden: OperationTemplate others may not be used in namespace shops: it is for gardens"},
				"not there yet":     {"absent", ``, "", "", noTemplate},
				"clusters know":     {"", `{"anything":"goes"}`, "later", "", ""},
				"a target to come":  {"", `{"ttl":5}`, "later", opsv1alpha1.EngineVelero, ""},
				"the only template": {"", `{"ttl":5}`, "", opsv1alpha1.EngineVelero, ofTheOnly},
			} {
				op := operation(func(op *opsv1alpha1.Operation) {
					op.Spec.Engine = c.engine
					if c.target != "" {
						op.Spec.TargetRef.Name = c.target
					}
					if c.template != "" {
						op.Spec.TargetRef.Name = "later" // the templates are not for the shop
						op.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: c.template}
					}
					if c.parameters != "" {
						op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(c.parameters)}
					}
				})
				refused(t, name, alice(t).Create(t.Context(), op), c.refusal, canary)
			}
		})
	}
}

// refused holds that an answer is a refusal with these words, and without those; or none, when there are no words.
func refused(t *testing.T, name string, err error, words, secret string) {
	t.Helper()
	switch {
	case words == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case words != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), words)):
		t.Errorf("%s: got %v, want %q", name, err, words)
	case words != "" && strings.Contains(err.Error(), secret):
		t.Errorf("%s: the refusal repeats what was given: %v", name, err)
	}
}

// TestFollowsWhatIsChanged: an Operation that was stored before its template said no can still be cancelled.
func TestFollowsWhatIsChanged(t *testing.T) {
	op := operation(func(op *opsv1alpha1.Operation) { op.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: "later"} })
	if err := alice(t).Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	listed(t, "later", func(s *opsv1alpha1.OperationTemplateSpec) {
		s.InputSchema = &runtime.RawExtension{Raw: []byte(`{"required":["ttl"]}`)}
	})
	servedBy(t, hubSide, func(o *admission.Options) { o.Operations = []admission.Rule{(&admission.Follows{Required: true}).Rule} })
	before := op.DeepCopy()
	op.Spec.Cancel = true
	if err := alice(t).Patch(t.Context(), op, client.MergeFrom(before)); err != nil {
		t.Error(err)
	}
}

// TestSoundRollout: a rollout that makes no sense is refused by its field, also when it comes later; and what was stored with one can still be cancelled.
func TestSoundRollout(t *testing.T) {
	of := func(deadline string) func(*opsv1alpha1.Operation) {
		return func(op *opsv1alpha1.Operation) {
			op.Spec.TargetRef, op.Spec.Selector = nil, &opsv1alpha1.InstanceSelector{}
			op.Spec.Placement = &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}
			op.Spec.Rollout = &opsv1alpha1.RolloutSpec{RolloutStrategy: clusterv1alpha1.RolloutStrategy{
				Type: clusterv1alpha1.All, All: &clusterv1alpha1.RolloutAll{RolloutConfig: clusterv1alpha1.RolloutConfig{ProgressDeadline: deadline}},
			}}
		}
	}
	old := operation(of("0s")) // stored while nobody was asked
	if err := alice(t).Create(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	servedBy(t, hubSide, func(o *admission.Options) { o.Operations = []admission.Rule{admission.SoundRollout} })
	const words = `spec.rollout.all.progressDeadline: Invalid value: "0s": must be None, or a duration of more than 0 such as 90m`
	refused(t, "created", alice(t).Create(t.Context(), operation(of("0s"))), words, "canary")
	good := operation(of("1h"))
	refused(t, "good", alice(t).Create(t.Context(), good), "", "")
	before := good.DeepCopy()
	good.Spec.Rollout.All.ProgressDeadline = "0s"
	refused(t, "changed", alice(t).Patch(t.Context(), good, client.MergeFrom(before)), words, "canary")
	before = old.DeepCopy()
	old.Spec.Cancel = true
	refused(t, "cancelled", alice(t).Patch(t.Context(), old, client.MergeFrom(before)), "", "")
}

// TestExpressions: on a hub they have to make sense, and on a cluster nobody would fill them in.
func TestExpressions(t *testing.T) {
	with := func(parameters string) *opsv1alpha1.Operation {
		return operation(func(op *opsv1alpha1.Operation) { op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(parameters)} })
	}
	const at, shell, good = "spec.parameters.to: ", `{"to":"${HOME} $${cluster}"}`, `{"to":"${cluster.labels['region']}"}`
	for _, side := range []struct {
		name  string
		of    side
		rule  admission.Rule
		cases map[string]string
	}{
		{"hub", hubSide, admission.SoundExpressions, map[string]string{
			good: "", shell: "",
			`{"to":"${cluster.region}"}`:               at + "Invalid value: the expression does not compile: undeclared reference to 'cluster'",
			`{"to":"${cluster.labels['canary'] + 1}"}`: at + "Invalid value: the expression does not compile: found no matching overload",
			`{"to":"${cluster.labels[}"}`:              at + "Invalid value: the expression does not compile: syntax error at character",
		}},
		{"cluster", agentSide, admission.NoExpressions, map[string]string{
			good: at + "Forbidden: it holds an expression about the cluster, and there is no hub here", shell: "", `{"to":"${cluster:-none}"}`: "",
		}},
	} {
		t.Run(side.name, func(t *testing.T) {
			servedBy(t, side.of, func(o *admission.Options) { o.Operations = []admission.Rule{side.rule} })
			for parameters, words := range side.cases {
				refused(t, parameters, alice(t).Create(t.Context(), with(parameters)), words, "canary")
			}
		})
	}
}

// TestSoundClaim: a claim that cannot count is refused when it is written; one whose time or key may come is stored, and so is whatever else is changed beside a bad one.
func TestSoundClaim(t *testing.T) {
	signer, absent := approvalstest.MustEd25519(t, "odoo-1"), approvalstest.MustEd25519(t, "odoo-2")
	forger := approvalstest.MustEd25519(t, "odoo-1")
	keys := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: hubSide.namespace, Name: opsv1alpha1.DefaultApprovalKeys}, Data: map[string][]byte{signer.KeyID: signer.Entry}}
	old := operation(nil) // stored while nobody was asked
	old.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true, Claim: "bad"}
	for _, o := range []client.Object{keys, old} {
		if err := admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = admin.Delete(context.Background(), keys) })
	servedBy(t, hubSide, func(o *admission.Options) {
		o.Operations = []admission.Rule{admission.SoundClaim(client.ObjectKeyFromObject(keys), clock.RealClock{})}
	})
	now := time.Now()
	for name, c := range map[string]struct {
		by      approvalstest.Signer
		change  func(claims map[string]any)
		refusal string
	}{
		"right":             {signer, nil, ""},
		"forged":            {forger, nil, "spec.approvals.claim: Forbidden: its signature is not that of key odoo-1"},
		"key to come":       {absent, nil, ""},
		"time to come":      {signer, func(c map[string]any) { c["nbf"] = now.Add(30 * time.Minute).Unix() }, ""},
		"expired":           {signer, func(c map[string]any) { c["exp"] = now.Add(-time.Minute).Unix() }, "it expired at"},
		"another audience":  {signer, func(c map[string]any) { c["aud"] = "bank" }, "it is for another audience"},
		"another request":   {signer, func(c map[string]any) { c["digest"] = strings.Repeat("0", 64) }, "it approves something else than what is asked for here"},
		"another Operation": {signer, func(c map[string]any) { c["uid"] = "7" }, "it is for another Operation: sign one with uid"},
	} {
		fresh := func() *opsv1alpha1.Operation { // the digest is one of the name, too
			return operation(func(op *opsv1alpha1.Operation) {
				op.GenerateName, op.Name = "", "claim-"+strings.ToLower(strings.ReplaceAll(name, " ", "-"))
				op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true}
			})
		}
		op := fresh()
		digest, err := approvals.Digest(op)
		if err != nil {
			t.Fatal(err)
		}
		claims := map[string]any{"aud": approvals.Audience, "sub": "bob", "jti": name, "digest": digest, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
		if c.change != nil {
			c.change(claims)
		}
		claim := c.by.MustSign(t, claims)
		op.Spec.Approvals.Claim = claim
		refused(t, name+", created", alice(t).Create(t.Context(), op, client.DryRunAll), c.refusal, claim)

		op = fresh()
		if err := alice(t).Create(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		before := op.DeepCopy()
		op.Spec.Approvals.Claim = claim
		refused(t, name+", added", alice(t).Patch(t.Context(), op, client.MergeFrom(before)), c.refusal, claim)
	}
	before := old.DeepCopy()
	old.Spec.Cancel = true
	if err := alice(t).Patch(t.Context(), old, client.MergeFrom(before)); err != nil {
		t.Errorf("cancel beside a bad claim: %v", err)
	}
	if err := admin.Delete(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	for claim, refusal := range map[string]string{
		"canary": "spec.approvals.claim: Forbidden: it is not a signed token", signer.MustSign(t, map[string]any{"aud": approvals.Audience}): "",
	} {
		op := operation(func(op *opsv1alpha1.Operation) {
			op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true, Claim: claim}
		})
		refused(t, "without keys", alice(t).Create(t.Context(), op, client.DryRunAll), refusal, "canary")
	}
}
