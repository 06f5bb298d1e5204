// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// receiver is who is told what happens, as metrics have it.
type receiver struct {
	kind      string
	connected metav1.ConditionStatus
}

// receiverOf a ControlPlane or an AuditSink. One that is suspended counts as neither connected nor not: somebody wants it so.
func receiverOf(o client.Object) (receiver, bool) {
	var kind string
	var conditions []metav1.Condition
	switch r := o.(type) {
	case *opsv1alpha1.ControlPlane:
		kind, conditions = "ControlPlane", r.Status.Conditions
	case *opsv1alpha1.AuditSink:
		kind, conditions = "AuditSink", r.Status.Conditions
	default:
		return receiver{}, false
	}
	connected := meta.FindStatusCondition(conditions, opsv1alpha1.ConditionConnected)
	if connected == nil || connected.Reason == opsv1alpha1.ReasonSuspended {
		return receiver{kind, metav1.ConditionUnknown}, true
	}
	return receiver{kind, connected.Status}, true
}
