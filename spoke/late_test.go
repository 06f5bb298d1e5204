// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// delivered is an Operation as the hub sends it, that may arrive until a time, and is swept at once.
func delivered(name, in string, by time.Time) *opsv1alpha1.Operation {
	op := selecting(opsv1alpha1.DefaultAgentNamespace, name, opsv1alpha1.InstanceSelector{Namespaces: []string{in}})
	op.Annotations = map[string]string{opsv1alpha1.AnnotationStartBefore: by.UTC().Format(time.RFC3339)}
	op.Spec.TTLSecondsAfterFinished = ptr.To[int32](0)
	return op
}

// TestDeliveredAgain: a record that was swept away while the hub was away is put back by the work agent. It must not run again.
func TestDeliveredAgain(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := delivered("again-"+ns, ns, time.Now().Add(-lateGrace-time.Second))
	create(t, op)
	eventually(t, func() string { // its TTL is over at once, and so is the time that it might have arrived in
		if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(op), op); !apierrors.IsNotFound(err) {
			return "it is there: " + string(op.Status.Phase) + " " + op.Status.Message
		}
		return ""
	})
	if op.Status.Phase != "" && (op.Status.Reason != opsv1alpha1.ReasonResultLost || !strings.Contains(op.Status.Message, "not run (again)")) {
		t.Errorf("it is %+v", op.Status)
	}
	var children opsv1alpha1.OperationList
	if err := k8s.List(t.Context(), &children, client.InNamespace(ns)); err != nil || len(children.Items) > 0 {
		t.Errorf("it was run: %d children, %v", len(children.Items), err)
	}
}

// TestRecordOfADelivery: it is kept until nothing that is delivered again could run.
func TestRecordOfADelivery(t *testing.T) {
	arrived := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	op := delivered("x", "apps", arrived.Add(time.Minute))
	until := arrived.Add(time.Minute + lateGrace)
	v := &visit{op: op, now: until.Add(-time.Second)}
	if v.late() {
		t.Error("it is late before its time")
	}
	if got := v.sweptAt(arrived); !got.Equal(until) {
		t.Errorf("it is swept at %s, not %s", got, until)
	}
	if later := until.Add(time.Hour); !v.sweptAt(later).Equal(later) {
		t.Error("its TTL does not count")
	}
	v.now = until
	if !v.late() {
		t.Error("it is not late at its time")
	}
	op.Status.Phase = opsv1alpha1.PhasePending
	if v.late() {
		t.Error("one that waits has arrived")
	}
	if (&visit{op: &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Name: "by hand"}}, now: until}).late() {
		t.Error("one that no hub has sent is late")
	}
}
