// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// agentNamespace exists once.
func agentNamespace(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: opsv1alpha1.DefaultAgentNamespace}}
	if err := client.IgnoreAlreadyExists(k8s.Create(t.Context(), ns)); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

func childrenOf(t *testing.T, op *opsv1alpha1.Operation) []opsv1alpha1.Operation {
	t.Helper()
	var list opsv1alpha1.OperationList
	if err := k8s.List(t.Context(), &list, client.MatchingLabels{opsv1alpha1.LabelParent: string(op.UID)}); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func childOn(t *testing.T, op *opsv1alpha1.Operation, namespace, name string) *opsv1alpha1.Operation {
	t.Helper()
	c := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: opsv1alpha1.RunName(op.Name, op.UID, namespace, name)}}
	eventually(t, func() string {
		if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(c), c); err != nil {
			return err.Error()
		}
		return ""
	})
	return c
}

// From the agent's namespace an Operation reaches every open namespace, whoever put it there.
func TestExpandOverNamespaces(t *testing.T) {
	one, two, shut := gatedNamespace(t), gatedNamespace(t), namespace(t, false)
	long := strings.Repeat("w", 100)
	for _, at := range [][2]string{{one, "web"}, {one, long}, {two, "web"}, {shut, "web"}} {
		ai := capable(t, at[0], at[1], widgetName)
		patch(t, ai, func() { ai.Labels = map[string]string{"batch": one} })
	}
	op := selecting(agentNamespace(t), "all-"+one, opsv1alpha1.InstanceSelector{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"batch": one}}})
	op.Labels = map[string]string{opsv1alpha1.LabelRoot: "root-uid", opsv1alpha1.LabelParent: "uid-on-the-hub"}
	op.Annotations = map[string]string{opsv1alpha1.AnnotationOrigin: "platform/fleet-op"}
	op.Spec.Timeout, op.Spec.TTLSecondsAfterFinished = seconds(600), ptr.To(int32(3600))
	create(t, op)
	c := childOn(t, op, one, "web")
	if c.Labels[opsv1alpha1.LabelRoot] != "root-uid" || c.Labels["app.vworkspace.io/application-instance"] != "web" ||
		c.Annotations[opsv1alpha1.AnnotationOrigin] != op.Namespace+"/"+op.Name || c.Spec.Timeout.Duration != op.Spec.Timeout.Duration ||
		*c.Spec.TTLSecondsAfterFinished != 3600 || c.Spec.Selector != nil {
		t.Errorf("child is %+v", c)
	}
	if l := childOn(t, op, one, long).Labels["app.vworkspace.io/application-instance"]; l != "" {
		t.Errorf("a name that is no label value became one: %s", l)
	}
	finish(t, c)
	says(t, op, "1 of 3 done")
	if n := len(childrenOf(t, op)); n != 3 {
		t.Errorf("%d children", n)
	}
	w := widgetOf(t, childOn(t, op, two, "web"))
	play(t, w, map[string]any{"phase": "Broken", "message": "disk full"})
	finish(t, childOn(t, op, one, long))
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if want := fmt.Sprintf("1 of 3 failed: %s/web: WidgetBroken: disk full", two); op.Status.Message != want {
		t.Errorf("message is %q, wanted %q", op.Status.Message, want)
	}
	want := opsv1alpha1.Counts{Total: 3, Succeeded: 2, Failed: 1}
	if *op.Status.Summary.Instances != want || op.Status.Progress != "3/3" || len(op.Status.Failures) != 1 || op.Status.Failures[0].Name != two+"/web" {
		t.Errorf("status is %+v", op.Status)
	}
}

func TestExpandInItsOwnNamespace(t *testing.T) {
	ns, other := gatedNamespace(t), gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	capable(t, other, "web", widgetName)
	op := selecting(ns, "op", opsv1alpha1.InstanceSelector{})
	create(t, op)
	finish(t, childOn(t, op, ns, "web"))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	if op.Status.Summary.Instances.Total != 1 {
		t.Errorf("%+v", op.Status.Summary)
	}
	beyond := selecting(ns, "beyond", opsv1alpha1.InstanceSelector{Namespaces: []string{other}})
	create(t, beyond)
	says(t, reaches(t, beyond, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed), "spec.selector.namespaces", other)
}

func TestExpandToNothing(t *testing.T) {
	ns := gatedNamespace(t)
	agent := agentNamespace(t)
	shut := namespace(t, false)
	t.Run("by default", func(t *testing.T) {
		op := selecting(ns, "by-default", opsv1alpha1.InstanceSelector{Names: []string{"nobody"}})
		create(t, op)
		says(t, reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonNoTargets), "nobody")
	})
	t.Run("required, and it comes late", func(t *testing.T) {
		op := selecting(ns, "late", opsv1alpha1.InstanceSelector{Names: []string{"late"}, Required: true})
		create(t, op)
		says(t, blockedFrom(t, op, opsv1alpha1.ReasonNoTargets), "late")
		capable(t, ns, "late", widgetName)
		finish(t, childOn(t, op, ns, "late"))
		reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	})
	t.Run("required, and it never comes", func(t *testing.T) {
		op := selecting(ns, "never", opsv1alpha1.InstanceSelector{Names: []string{"nobody"}, Required: true})
		op.Spec.StartDeadline = seconds(1)
		create(t, op)
		says(t, reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNoTargets), "nobody", "1s")
	})
	t.Run("a namespace that is not open", func(t *testing.T) {
		op := selecting(agent, "shut-"+shut, opsv1alpha1.InstanceSelector{Namespaces: []string{shut, "missing-" + shut}})
		create(t, op)
		says(t, blockedFrom(t, op, opsv1alpha1.ReasonNamespaceNotGated), "namespace "+shut+" is not open", "managed-by=vworkspace")
	})
	t.Run("a namespace that this cluster does not have", func(t *testing.T) {
		op := selecting(agent, "missing-"+shut, opsv1alpha1.InstanceSelector{Namespaces: []string{"missing-" + shut}})
		create(t, op)
		says(t, reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonNoTargets), "missing-"+shut)
	})
	t.Run("its own namespace is not open", func(t *testing.T) {
		op := selecting(shut, "op", opsv1alpha1.InstanceSelector{})
		create(t, op)
		blockedFrom(t, op, opsv1alpha1.ReasonNamespaceNotGated)
		openNamespace(t, shut)
		reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonNoTargets)
	})
}

func TestExpandDryRun(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := selecting(ns, "op", opsv1alpha1.InstanceSelector{})
	op.Spec.DryRun = true
	create(t, op)
	says(t, reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun), ns+"/web")
	if n := len(childrenOf(t, op)); n != 0 {
		t.Errorf("%d children", n)
	}
}

func TestPlacementIsTheHubs(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	fleet := selecting(ns, "fleet", opsv1alpha1.InstanceSelector{})
	fleet.Spec.Placement = &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}
	create(t, fleet)
	op := selecting(ns, "op", opsv1alpha1.InstanceSelector{})
	create(t, op)
	finish(t, childOn(t, op, ns, "web"))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	if reload(t, fleet).Status.Phase != "" {
		t.Errorf("touched: %+v", fleet.Status)
	}
}

// TestBlockedChild: whoever looks at the parent, or at the hub, sees that something waits, and for what.
func TestBlockedChild(t *testing.T) {
	ns := gatedNamespace(t)
	create(t, placeholder(ns, "web", "shop"))
	op := selecting(ns, "op", opsv1alpha1.InstanceSelector{})
	create(t, op)
	says(t, op, "1 blocked: "+ns+"/web: CapabilityMissing")
	if got := *op.Status.Summary.Instances; got != (opsv1alpha1.Counts{Total: 1, Blocked: 1}) {
		t.Errorf("counts are %+v", got)
	}
	c := meta.FindStatusCondition(op.Status.Conditions, opsv1alpha1.ConditionBlocked)
	if op.Status.Phase != opsv1alpha1.PhaseRunning || !op.Status.Blocked || c == nil || c.Reason != opsv1alpha1.ReasonCapabilityMissing {
		t.Errorf("%s, blocked %v, condition %+v", op.Status.Phase, op.Status.Blocked, c)
	}
}

// The agent may die at any write while it expands. In the end there is one child per instance and the counts are right.
func TestExpandCrashConverges(t *testing.T) {
	died := errors.New("the agent died here")
	isChild := func(obj client.Object) bool { return obj.GetLabels()[opsv1alpha1.LabelParent] != "" }
	for name, dies := range map[string]func(verb string, obj client.Object) bool{
		"after the fence": func(verb string, obj client.Object) bool {
			op, ok := obj.(*opsv1alpha1.Operation)
			return ok && verb == "after status" && op.Status.Reason == opsv1alpha1.ReasonExpanded && op.Status.ExpandedAt == nil
		},
		"before a child": func(verb string, obj client.Object) bool { return verb == "create" && isChild(obj) },
		"after a child":  func(verb string, obj client.Object) bool { return verb == "after create" && isChild(obj) },
		"before expandedAt": func(verb string, obj client.Object) bool {
			op, ok := obj.(*opsv1alpha1.Operation)
			return ok && verb == "status" && op.Status.ExpandedAt != nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			for i := range 3 {
				capable(t, ns, fmt.Sprintf("web-%d", i), widgetName)
			}
			left := 3
			deaths := make(chan struct{}, 3)
			faults.inject(t, ns, func(verb string, obj client.Object) error {
				if left > 0 && dies(verb, obj) {
					left--
					deaths <- struct{}{}
					return died
				}
				return nil
			})
			defer faults.heal(ns)
			op := selecting(ns, "op", opsv1alpha1.InstanceSelector{})
			create(t, op)
			<-deaths
			for i := range 3 {
				finish(t, childOn(t, op, ns, fmt.Sprintf("web-%d", i)))
			}
			reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
			if got := *op.Status.Summary.Instances; got != (opsv1alpha1.Counts{Total: 3, Succeeded: 3}) || len(childrenOf(t, op)) != 3 {
				t.Errorf("counts are %+v", got)
			}
		})
	}
}

// A child that ended and is deleted, or whose time is up, stays until its parent has added up; one that somebody tears away is a lost result.
func TestChildrenAreCounted(t *testing.T) {
	ns := gatedNamespace(t)
	for _, name := range []string{"kept", "torn", "slow"} {
		capable(t, ns, name, widgetName)
	}
	op := selecting(ns, "op", opsv1alpha1.InstanceSelector{})
	op.Spec.TTLSecondsAfterFinished = ptr.To(int32(0))
	create(t, op)
	kept, torn, slow := childOn(t, op, ns, "kept"), childOn(t, op, ns, "torn"), childOn(t, op, ns, "slow")
	finish(t, kept)
	reaches(t, kept, opsv1alpha1.PhaseSucceeded, "")
	if err := k8s.Delete(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	reaches(t, torn, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
	if err := k8s.Delete(t.Context(), torn); err != nil {
		t.Fatal(err)
	}
	patchGone(t, torn)
	if reload(t, kept).Status.Phase != opsv1alpha1.PhaseSucceeded {
		t.Error("a child that ended lost its state")
	}
	// Deleting the parent would end the story: keep its time from being up before it is read.
	patch(t, op, func() { op.Finalizers = append(op.Finalizers, "test.vworkspace.io/look") })
	finish(t, slow)
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	says(t, op, opsv1alpha1.ReasonResultLost)
	if got := *op.Status.Summary.Instances; got != (opsv1alpha1.Counts{Total: 3, Succeeded: 2, Failed: 1}) {
		t.Errorf("counts are %+v", got)
	}
	patch(t, op, func() { op.Finalizers = nil })
	gone(t, op)
	gone(t, kept)
	gone(t, slow)
}

func TestCancelParent(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "a", stoppableName)
	create(t, placeholder(ns, "b", "shop"))
	op := selecting(ns, "op", opsv1alpha1.InstanceSelector{})
	create(t, op)
	w := widgetOf(t, childOn(t, op, ns, "a"))
	reaches(t, childOn(t, op, ns, "a"), opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
	patch(t, op, func() { op.Spec.Cancel = true })
	reaches(t, childOn(t, op, ns, "b"), opsv1alpha1.PhaseCancelled, "")
	collect(t, w)
	says(t, reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled), "2 of 2 cancelled")
}

func TestDeleteParent(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "a", stoppableName)
	capable(t, ns, "b", widgetName)
	op := selecting(ns, "op", opsv1alpha1.InstanceSelector{})
	create(t, op)
	a, b := childOn(t, op, ns, "a"), childOn(t, op, ns, "b")
	reaches(t, a, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
	w := widgetOf(t, a)
	finish(t, b)
	reaches(t, b, opsv1alpha1.PhaseSucceeded, "")
	if err := k8s.Delete(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	gone(t, b)
	collect(t, w)
	gone(t, a)
	gone(t, op)
}

// patchGone tears an object away that a finalizer holds.
func patchGone(t *testing.T, op *opsv1alpha1.Operation) {
	t.Helper()
	eventually(t, func() string {
		var now opsv1alpha1.Operation
		err := k8s.Get(t.Context(), client.ObjectKeyFromObject(op), &now)
		if err != nil {
			return ""
		}
		base := now.DeepCopy()
		now.Finalizers = nil
		if err := k8s.Patch(t.Context(), &now, client.MergeFrom(base)); client.IgnoreNotFound(err) != nil {
			return err.Error()
		}
		return "still there"
	})
}
