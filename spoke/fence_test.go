// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Whoever acts on an old read neither starts a run nor takes one up: not by the fence, and not where a run is found already fenced.
func TestStaleReadStartsNothing(t *testing.T) {
	op := on(namespace(t, false), "op", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonNamespaceNotGated)
	s := &site{Client: k8s, live: k8s, recorder: events.NewFakeRecorder(10), metrics: NewMetrics()}
	stale := newVisit(s, op.DeepCopy(), clock.RealClock{})

	patch(t, op, func() { op.Labels = map[string]string{"touched": "yes"} })
	if err := stale.confirm(t.Context()); !apierrors.IsConflict(err) {
		t.Errorf("confirm: %v", err)
	}
	if err := stale.fence(t.Context(), opsv1alpha1.ReasonEngineStarted, "m"); !apierrors.IsConflict(err) {
		t.Errorf("fence: %v", err)
	}
	if stale.running() || reload(t, op).Status.Phase != opsv1alpha1.PhasePending || len(op.Finalizers) > 0 {
		t.Errorf("started: %+v", op)
	}

	fresh := newVisit(s, op.DeepCopy(), clock.RealClock{})
	if err := fresh.confirm(t.Context()); err != nil {
		t.Error(err)
	}
	// The finalizer is there and the status was changed meanwhile: the status write, too, must notice.
	if err := fresh.holdByFinalizer(t.Context()); err != nil {
		t.Fatal(err)
	}
	patch(t, op, func() { op.Labels["touched"] = "again" })
	if err := fresh.fence(t.Context(), opsv1alpha1.ReasonEngineStarted, "m"); !apierrors.IsConflict(err) || fresh.running() {
		t.Errorf("fence: %v", err)
	}
	if err := newVisit(s, reload(t, op), clock.RealClock{}).letGo(t.Context()); err != nil {
		t.Error(err)
	}
}
