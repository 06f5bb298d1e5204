// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
)

// What somebody has changed a moment before is not what a run begins by, be it the target or the template, or that they are gone.
func TestStaleTargetStartsNothing(t *testing.T) {
	ns := gatedNamespace(t)
	target, template := capable(t, ns, "web", widgetName), listed(t, nil)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	s := &site{Client: k8s, live: k8s, recorder: events.NewFakeRecorder(10), metrics: NewMetrics()}
	v := newVisit(s, op, clock.RealClock{})
	isReady(t, target, metav1.ConditionTrue, appsv1alpha1.ReasonPlaceholder)
	read := func() facts {
		return facts{target: reload(t, target).DeepCopy(), template: &catalog.Entry{Template: reload(t, template).DeepCopy()}}
	}
	starts := func(f facts, what string, want bool) {
		t.Helper()
		if err := v.current(t.Context(), f); want != (err == nil) || !want && !apierrors.IsConflict(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	old := read()
	starts(old, "as read", true)
	patch(t, target, func() { target.Annotations[opsv1alpha1.TypeBackup.Capability()] = string(stoppableName) })
	starts(old, "the target has changed", false)
	old = read()
	patch(t, template, func() { template.Spec.Description = "another" })
	starts(old, "the template has changed", false)
	old = read()
	starts(old, "as read again", true)
	for _, o := range []client.Object{template, target} {
		if err := k8s.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		gone(t, o)
		starts(old, "without "+o.GetName(), false)
	}
}

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
