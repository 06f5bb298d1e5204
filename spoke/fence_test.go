// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
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

// What somebody has changed a moment before is not what a run begins by, be it the target or the catalog, or that they are gone.
func TestStaleTargetStartsNothing(t *testing.T) {
	ns := gatedNamespace(t)
	template := listed(t, nil)
	instanceOf(t, ns, template)
	target := placeholder(ns, "web", "")
	isReady(t, target, metav1.ConditionTrue, appsv1alpha1.ReasonPlaceholder)
	op := following(ns, template)
	s := &site{Client: k8s, live: k8s, recorder: events.NewFakeRecorder(10), metrics: NewMetrics()}
	r, v := &operationReconciler{book: &catalog.Book{}, locks: newTargetLocks()}, newVisit(s, op, clock.RealClock{})
	read := func() facts {
		t.Helper()
		f := facts{op: op, gated: true, target: reload(t, target).DeepCopy()}
		f.request = catalog.Request{Operation: op, Engine: widgetName, Instance: f.target, AgentKnows: true}
		var list opsv1alpha1.OperationTemplateList
		if err := k8s.List(t.Context(), &list); err != nil {
			t.Fatal(err)
		}
		choice, problem := r.book.Find(f.request, list.Items)
		if f.template = choice.One(); problem != nil || f.template == nil {
			t.Fatalf("no template is followed: %v", problem)
		}
		return f
	}
	starts := func(f facts, what string, want bool) {
		t.Helper()
		if err := r.current(t.Context(), v, f); want != (err == nil) || !want && !apierrors.IsConflict(err) {
			t.Errorf("%s: %v", what, err)
		}
		if want {
			return
		}
		if begun, err := r.startAlone(t.Context(), v, f); begun || !apierrors.IsConflict(err) {
			t.Errorf("%s: begun %t, %v", what, begun, err)
		}
	}
	old := read()
	starts(old, "as read", true)
	patch(t, target, func() { target.Annotations[opsv1alpha1.TypeRestore.Capability()] = string(stoppableName) })
	starts(old, "the target has changed", false)
	old = read()
	patch(t, template, func() { template.Spec.Description = "another" })
	starts(old, "the template has changed", false)

	op.Spec.TemplateRef = nil
	old = read()
	starts(old, "as read again", true)
	other := &opsv1alpha1.OperationTemplate{ObjectMeta: metav1.ObjectMeta{Name: template.Name + "-other"}, Spec: *template.Spec.DeepCopy()}
	create(t, other)
	t.Cleanup(func() { _ = k8s.Delete(context.Background(), other) })
	starts(old, "another template for this target has come", false)
	for _, o := range []client.Object{other, template, target} {
		if err := k8s.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		gone(t, o)
		starts(old, "without "+o.GetName(), o == other)
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
