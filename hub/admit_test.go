// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestRefusal(t *testing.T) {
	placed := &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}
	target := &opsv1alpha1.TargetRef{Name: "web"}
	zurich := &opsv1alpha1.Window{Schedule: "@daily", TimeZone: "Zurich", Duration: metav1.Duration{Duration: time.Hour}}
	in := func(ns ...string) *opsv1alpha1.InstanceSelector {
		return &opsv1alpha1.InstanceSelector{Namespaces: ns}
	}
	for _, tc := range []struct {
		name, namespace string
		spec            opsv1alpha1.OperationSpec
		reason, message string
	}{
		{"a selector without a placement", "shop", opsv1alpha1.OperationSpec{Selector: in()}, opsv1alpha1.ReasonValidationFailed, "spec.placement is required on the hub"},
		{"a target without a placement", "shop", opsv1alpha1.OperationSpec{TargetRef: target}, "", ""},
		{"a target with a placement", "shop", opsv1alpha1.OperationSpec{TargetRef: target, Placement: placed}, "", ""},
		{"no namespace named", "shop", opsv1alpha1.OperationSpec{Selector: in(), Placement: placed}, "", ""},
		{"its own namespace named", "shop", opsv1alpha1.OperationSpec{Selector: in("shop"), Placement: placed}, "", ""},
		{"another's namespace", "shop", opsv1alpha1.OperationSpec{Selector: in("shop", "bank"), Placement: placed}, opsv1alpha1.ReasonNamespaceNotAllowed, `"bank" is not allowed`},
		{"a window that makes no sense", "shop", opsv1alpha1.OperationSpec{Selector: in(), Placement: placed, MaintenanceWindow: zurich}, opsv1alpha1.ReasonValidationFailed,
			`spec.maintenanceWindow: Invalid value: timeZone: "Zurich" is no time zone`},
		{"the platform may", "vworkspace-platform", opsv1alpha1.OperationSpec{Selector: in("shop", "bank"), Placement: placed}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: tc.namespace}, Spec: tc.spec}
			reason, message := Options{}.complete().refusal(op)
			if reason != tc.reason || !strings.Contains(message, tc.message) {
				t.Errorf("%s %q, want %s %q", reason, message, tc.reason, tc.message)
			}
		})
	}
}

func TestSentSpec(t *testing.T) {
	full := opsv1alpha1.OperationSpec{
		Placement: &opsv1alpha1.PlacementSpec{}, Rollout: &opsv1alpha1.RolloutSpec{}, Approvals: &opsv1alpha1.ApprovalsSpec{},
		DryRun: true, Cancel: true, Type: opsv1alpha1.TypeUpgrade, Engine: opsv1alpha1.EngineHelm,
		StartDeadline: &metav1.Duration{Duration: time.Minute}, Timeout: &metav1.Duration{Duration: time.Hour},
	}
	with := func(change func(*opsv1alpha1.OperationSpec)) opsv1alpha1.OperationSpec {
		s := *full.DeepCopy()
		change(&s)
		return s
	}
	for _, tc := range []struct {
		name, namespace string
		spec            opsv1alpha1.OperationSpec
		selector        opsv1alpha1.InstanceSelector
		ttl             int32
	}{
		{
			"the namespace is the Operation's own", "shop", with(func(s *opsv1alpha1.OperationSpec) { s.Selector = &opsv1alpha1.InstanceSelector{Required: true} }),
			opsv1alpha1.InstanceSelector{Namespaces: []string{"shop"}, Required: true}, defaultTTL,
		},
		{
			"the platform means all namespaces", "vworkspace-platform", with(func(s *opsv1alpha1.OperationSpec) { s.Selector = &opsv1alpha1.InstanceSelector{Names: []string{"web"}} }),
			opsv1alpha1.InstanceSelector{Names: []string{"web"}}, defaultTTL,
		},
		{
			"a target by name must be there", "shop", with(func(s *opsv1alpha1.OperationSpec) { s.TargetRef = &opsv1alpha1.TargetRef{Name: "web"} }),
			opsv1alpha1.InstanceSelector{Namespaces: []string{"shop"}, Names: []string{"web"}, Required: true}, defaultTTL,
		},
		{
			"the TTL is passed on", "shop", with(func(s *opsv1alpha1.OperationSpec) {
				s.Selector, s.TTLSecondsAfterFinished = &opsv1alpha1.InstanceSelector{}, ptr.To(int32(60))
			}),
			opsv1alpha1.InstanceSelector{Namespaces: []string{"shop"}}, 60,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: tc.namespace}, Spec: tc.spec}
			before := op.DeepCopy()
			want := opsv1alpha1.OperationSpec{
				Type: full.Type, Engine: full.Engine, StartDeadline: full.StartDeadline, Timeout: full.Timeout,
				Selector: &tc.selector, TTLSecondsAfterFinished: &tc.ttl,
			}
			if diff := cmp.Diff(want, Options{}.complete().sentSpec(op, nil)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, op); diff != "" {
				t.Error("the Operation itself was changed:", diff)
			}
		})
	}
}

func TestBlockedSince(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	step := func(minutesAgo int, phase opsv1alpha1.OperationPhase, reason string) opsv1alpha1.Transition {
		return opsv1alpha1.Transition{Time: metav1.NewTime(now.Add(-time.Duration(minutesAgo) * time.Minute)), Phase: phase, Reason: reason}
	}
	pending := opsv1alpha1.PhasePending
	for _, tc := range []struct {
		name    string
		history []opsv1alpha1.Transition
		want    int // minutes ago
	}{
		{"just now", nil, 0},
		{"one reason", []opsv1alpha1.Transition{step(3, pending, "PlacementNotFound")}, 3},
		{"one reason after another", []opsv1alpha1.Transition{step(4, pending, "PlacementNotFound"), step(1, pending, "PlacementPending")}, 4},
		{"waiting for a person does not count", []opsv1alpha1.Transition{step(90, pending, "PlacementNotFound"), step(60, pending, "AwaitingApproval"), step(2, pending, "PlacementPending")}, 2},
		{"still waiting for a person", []opsv1alpha1.Transition{step(60, pending, "AwaitingApproval")}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := blockedSince(&opsv1alpha1.OperationStatus{History: tc.history}, now)
			if want := now.Add(-time.Duration(tc.want) * time.Minute); !got.Equal(want) {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}
