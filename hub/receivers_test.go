// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestReceiverOf(t *testing.T) {
	connected := func(status metav1.ConditionStatus, reason string) []metav1.Condition {
		return []metav1.Condition{{Type: opsv1alpha1.ConditionConnected, Status: status, Reason: reason}}
	}
	for name, c := range map[string]struct {
		object client.Object
		want   receiver
		counts bool
	}{
		"a ControlPlane that answers": {
			&opsv1alpha1.ControlPlane{Status: opsv1alpha1.ControlPlaneStatus{Conditions: connected(metav1.ConditionTrue, opsv1alpha1.ReasonAnswering)}},
			receiver{"ControlPlane", metav1.ConditionTrue}, true,
		},
		"an AuditSink that does not": {
			&opsv1alpha1.AuditSink{Status: opsv1alpha1.AuditSinkStatus{Conditions: connected(metav1.ConditionFalse, opsv1alpha1.ReasonUnreachable)}},
			receiver{"AuditSink", metav1.ConditionFalse}, true,
		},
		"one that is suspended": {
			&opsv1alpha1.ControlPlane{Status: opsv1alpha1.ControlPlaneStatus{Conditions: connected(metav1.ConditionFalse, opsv1alpha1.ReasonSuspended)}},
			receiver{"ControlPlane", metav1.ConditionUnknown}, true,
		},
		"one that is new": {&opsv1alpha1.AuditSink{}, receiver{"AuditSink", metav1.ConditionUnknown}, true},
		"something else":  {&opsv1alpha1.Freeze{}, receiver{}, false},
	} {
		if got, counts := receiverOf(c.object); got != c.want || counts != c.counts {
			t.Errorf("%s: %v %v, want %v %v", name, got, counts, c.want, c.counts)
		}
	}
}
