// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// checkReceivers: who asks, and who is told.
func checkReceivers(ctx context.Context, s *Site, f *Findings) error {
	planes, sinks := &opsv1alpha1.ControlPlaneList{}, &opsv1alpha1.AuditSinkList{}
	if err := s.Client.List(ctx, planes); err != nil {
		return err
	}
	if err := s.Client.List(ctx, sinks); err != nil {
		return err
	}
	for i := range planes.Items {
		judgeReceiver(f, "ControlPlane "+planes.Items[i].Name, planes.Items[i].Status.Conditions)
	}
	for i := range sinks.Items {
		judgeReceiver(f, "AuditSink "+sinks.Items[i].Name, sinks.Items[i].Status.Conditions)
	}
	if n := len(planes.Items) + len(sinks.Items); n == 0 {
		f.ok("there are none")
	} else if !f.bad() {
		f.ok("%d ControlPlanes and %d AuditSinks are connected, or suspended", len(planes.Items), len(sinks.Items))
	}
	return nil
}

func judgeReceiver(f *Findings, name string, conditions []metav1.Condition) {
	const fix = "docs/how-to/connect-odoo.md#when-something-is-wrong"
	connected := meta.FindStatusCondition(conditions, opsv1alpha1.ConditionConnected)
	if connected == nil {
		f.warn("is the hub started with --control-planes? (the chart's controlPlane.enabled)", "nobody has connected %s", name)
		return
	}
	if connected.Reason == opsv1alpha1.ReasonSuspended {
		return // somebody wants it so
	}
	if c := meta.FindStatusCondition(conditions, opsv1alpha1.ConditionAuthenticated); c != nil && c.Status == metav1.ConditionFalse {
		f.fail(fix, "%s: %s: %s", name, c.Reason, c.Message)
		return
	}
	if connected.Status == metav1.ConditionFalse {
		f.fail(fix, "%s is not connected: %s: %s", name, connected.Reason, connected.Message)
	}
	if c := meta.FindStatusCondition(conditions, opsv1alpha1.ConditionBufferOverflow); c != nil && c.Status == metav1.ConditionTrue {
		f.warn(fix, "%s: %s: %s", name, c.Reason, c.Message)
	}
}
