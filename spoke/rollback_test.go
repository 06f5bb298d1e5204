// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/job"
)

// sent is an Upgrade of the instances of a namespace, as a hub would deliver it.
func sent(t *testing.T, namespace, uid string) *opsv1alpha1.Operation {
	t.Helper()
	op := selecting(agentNamespace(t), uid, opsv1alpha1.InstanceSelector{
		Namespaces: []string{namespace}, LabelSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "upgraded", Operator: metav1.LabelSelectorOpDoesNotExist},
		}},
	})
	op.Labels = map[string]string{opsv1alpha1.LabelRoot: uid}
	op.Spec.Type = opsv1alpha1.TypeUpgrade
	return op
}

// sentBack puts such an Upgrade back.
func sentBack(t *testing.T, namespace, of string) *opsv1alpha1.Operation {
	t.Helper()
	op := sent(t, namespace, of+"-back")
	op.Spec.Selector.Required = true // as for one instance
	op.Spec.RollbackOf = &opsv1alpha1.RollbackOfSpec{Name: "upgrade", UID: of}
	return op
}

// upgraded lets the run on an instance end in a phase of its executor, after it went from one version to another.
func upgraded(t *testing.T, op *opsv1alpha1.Operation, ai *appsv1alpha1.ApplicationInstance, phase, from, to string) *opsv1alpha1.Operation {
	t.Helper()
	c := childOn(t, op, ai.Namespace, ai.Name)
	play(t, widgetOf(t, c), map[string]any{"phase": phase, "message": "disk full", "from": from, "to": to})
	is(t, ai, to)
	return c
}

// is has an instance be of a version, and carry a label that it did not have before.
func is(t *testing.T, ai *appsv1alpha1.ApplicationInstance, version string) {
	t.Helper()
	reload(t, ai)
	patch(t, ai, func() {
		ai.Annotations[versionAnnotation] = version
		ai.Labels = map[string]string{"upgraded": version}
	})
}

// TestRollback: whatever the run changed goes back to what it was, however the run ended there and whatever the labels are by now; what has moved on since does
// not, and neither does that of which nobody knows what it was.
func TestRollback(t *testing.T) {
	ns := gatedNamespace(t)
	instances := map[string]*appsv1alpha1.ApplicationInstance{}
	for _, name := range []string{"well", "broken", "same", "gone", "moved", "lost"} {
		instances[name] = capable(t, ns, name, widgetName)
	}
	up := sent(t, ns, "root-"+ns)
	create(t, up)
	for name, as := range map[string][3]string{
		"well": {"Done", "1", "2"}, "broken": {"Broken", "1", "2"}, "same": {"Done", "2", "2"}, "gone": {"Done", "1", "2"}, "moved": {"Done", "1", "2"},
		"lost": {"Done", "lost", "2"},
	} {
		upgraded(t, up, instances[name], as[0], as[1], as[2])
	}
	reaches(t, up, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	is(t, instances["moved"], "3")
	if err := k8s.Delete(t.Context(), instances["gone"]); err != nil {
		t.Fatal(err)
	}
	gone(t, instances["gone"])

	back := sentBack(t, ns, "root-"+ns)
	create(t, back)
	c := childOn(t, back, ns, "well")
	if raw := string(c.Spec.Parameters.Raw); raw != `{"back":"1"}` || c.Spec.RollbackOf == nil || c.Spec.RollbackOf.UID != "root-"+ns || c.Spec.Type != opsv1alpha1.TypeUpgrade {
		t.Errorf("child is %+v", c.Spec)
	}
	finish(t, c)
	finish(t, childOn(t, back, ns, "broken"))
	says(t, reaches(t, childOn(t, back, ns, "moved"), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTargetMovedOn), "moved is 3 by now")
	says(t, reaches(t, childOn(t, back, ns, "lost"), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost), "lost is not put back: nobody knows what it was before")
	reaches(t, back, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if got := *back.Status.Summary.Instances; got != (opsv1alpha1.Counts{Total: 4, Succeeded: 2, Failed: 2}) || len(childrenOf(t, back)) != 4 {
		t.Errorf("counts are %+v", got)
	}
	if n := len(widgetsOf(t, childOn(t, back, ns, "moved"))); n != 0 {
		t.Errorf("%d Widgets of what has moved on", n)
	}
}

// TestRollbackOfNothing: it waits until the run has ended, and then there may be nothing to put back.
func TestRollbackOfNothing(t *testing.T) {
	ns := gatedNamespace(t)
	web := capable(t, ns, "web", widgetName)
	up := sent(t, ns, "root-"+ns)
	create(t, up)
	childOn(t, up, ns, "web")
	back := sentBack(t, ns, "root-"+ns)
	create(t, back)
	says(t, blockedFrom(t, back, opsv1alpha1.ReasonConflictingOperation), "of the run that is to be put back has not ended")
	upgraded(t, up, web, "Done", "2", "2")
	says(t, reaches(t, back, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonNoChange), "Operation upgrade has changed no chart version here")
	if got := *back.Status.Summary.Instances; got.Total != 0 || len(childrenOf(t, back)) != 0 {
		t.Errorf("counts are %+v", got)
	}
}

// TestRollbackOfTheUnknown: where the records are gone nothing is put back, and who can see it is told.
func TestRollbackOfTheUnknown(t *testing.T) {
	ns := gatedNamespace(t)
	one, two := capable(t, ns, "one", widgetName), capable(t, ns, "two", widgetName)
	never := sentBack(t, ns, "never-"+ns)
	create(t, never)
	says(t, reaches(t, never, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost), "nothing is known here of what Operation upgrade (uid never-"+ns+") did")
	odd := sentBack(t, ns, "odd-"+ns)
	odd.Spec.RollbackOf.UID = "no label/at all"
	create(t, odd)
	reaches(t, odd, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost)

	up := sent(t, ns, "root-"+ns)
	create(t, up)
	swept := upgraded(t, up, one, "Done", "1", "2")
	upgraded(t, up, two, "Done", "1", "2")
	reaches(t, up, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	if err := k8s.Delete(t.Context(), swept); err != nil {
		t.Fatal(err)
	}
	gone(t, swept)
	part := sentBack(t, ns, "root-"+ns)
	create(t, part)
	says(t, reaches(t, part, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost),
		"what Operation upgrade (uid root-"+ns+") did here is not known any more for 1 instance", "Nothing is put back")
	if n := len(childrenOf(t, part)); n != 0 {
		t.Errorf("%d children", n)
	}
}

// TestRollbackThatMakesNoSense is rejected by its field.
func TestRollbackThatMakesNoSense(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	for name, c := range map[string]struct {
		op   *opsv1alpha1.Operation
		says string
	}{
		"uid":        {sentBack(t, ns, "root-"+ns), "spec.rollbackOf.uid: is required on a cluster"},
		"parameters": {sentBack(t, ns, "root-"+ns), "spec.parameters: must be left out with spec.rollbackOf"},
		"target":     {on(ns, "target", "web", opsv1alpha1.TypeUpgrade), "spec.rollbackOf: is for spec.selector on a cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			c.op.Name = name + "-" + ns
			switch name {
			case "uid":
				c.op.Spec.RollbackOf.UID = ""
			case "parameters":
				c.op.Spec.Parameters = parameters(t, `{"back":"1"}`)
			case "target":
				c.op.Spec.RollbackOf = &opsv1alpha1.RollbackOfSpec{Name: "upgrade", UID: "root-" + ns}
			}
			create(t, c.op)
			says(t, reaches(t, c.op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed), c.says)
		})
	}
	r := &operationReconciler{registry: engines.NewRegistry(job.New())}
	now := metav1.Now()
	if _, refused := r.reverser([]opsv1alpha1.Operation{{Status: opsv1alpha1.OperationStatus{Engine: opsv1alpha1.EngineJob, StartedAt: &now}}}); refused == nil ||
		refused.message != "spec.rollbackOf: what engine job did cannot be put back by itself" {
		t.Errorf("%+v", refused)
	}
}

// TestRollbackWithoutAHub: an engineer puts back what another Operation of the same namespace did.
func TestRollbackWithoutAHub(t *testing.T) {
	ns := gatedNamespace(t)
	web := capable(t, ns, "web", widgetName)
	up := selecting(ns, "up", opsv1alpha1.InstanceSelector{})
	up.Spec.Type = opsv1alpha1.TypeUpgrade
	create(t, up)
	upgraded(t, up, web, "Done", "1", "2")
	reaches(t, up, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	back := selecting(ns, "back", opsv1alpha1.InstanceSelector{Names: []string{"web", "other"}})
	back.Spec.Type, back.Spec.RollbackOf = opsv1alpha1.TypeUpgrade, &opsv1alpha1.RollbackOfSpec{Name: "up", UID: string(up.UID)}
	create(t, back)
	finish(t, childOn(t, back, ns, "web"))
	reaches(t, back, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	beside := selecting(ns, "beside", opsv1alpha1.InstanceSelector{Names: []string{"other"}})
	beside.Spec.Type, beside.Spec.RollbackOf = opsv1alpha1.TypeUpgrade, back.Spec.RollbackOf
	create(t, beside)
	reaches(t, beside, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonNoChange)
}

// TestRollbackIsOvertaken: while it waits for another Upgrade of the instance it is too late.
func TestRollbackIsOvertaken(t *testing.T) {
	ns := gatedNamespace(t)
	web := capable(t, ns, "web", widgetName)
	up := sent(t, ns, "root-"+ns)
	create(t, up)
	upgraded(t, up, web, "Done", "1", "2")
	reaches(t, up, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	rival := on(ns, "rival", "web", opsv1alpha1.TypeUpgrade)
	create(t, rival)
	widgetOf(t, rival)
	back := sentBack(t, ns, "root-"+ns)
	create(t, back)
	c := childOn(t, back, ns, "web")
	blockedFrom(t, c, opsv1alpha1.ReasonConflictingOperation)
	is(t, web, "3")
	finish(t, rival)
	says(t, reaches(t, c, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTargetMovedOn), "web is 3 by now")
}

// TestRollbackCrashConverges: wherever the agent dies, each instance is put back once.
func TestRollbackCrashConverges(t *testing.T) {
	died := errors.New("the agent died here")
	for name, dies := range map[string]func(verb string, op *opsv1alpha1.Operation) bool{
		"after the fence": func(verb string, op *opsv1alpha1.Operation) bool {
			return verb == "after status" && op.Status.Reason == opsv1alpha1.ReasonExpanded && op.Status.ExpandedAt == nil
		},
		"before a child": func(verb string, op *opsv1alpha1.Operation) bool {
			return verb == "create" && op.Labels[opsv1alpha1.LabelParent] != ""
		},
		"after a child": func(verb string, op *opsv1alpha1.Operation) bool {
			return verb == "after create" && op.Labels[opsv1alpha1.LabelParent] != ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			up := selecting(ns, "up", opsv1alpha1.InstanceSelector{})
			up.Spec.Type = opsv1alpha1.TypeUpgrade
			var instances []*appsv1alpha1.ApplicationInstance
			for i := range 3 {
				instances = append(instances, capable(t, ns, fmt.Sprintf("web-%d", i), widgetName))
			}
			create(t, up)
			for _, ai := range instances {
				upgraded(t, up, ai, "Done", "1", "2")
			}
			reaches(t, up, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
			left, deaths := 3, make(chan struct{}, 3)
			faults.inject(t, ns, func(verb string, obj client.Object) error {
				op, ok := obj.(*opsv1alpha1.Operation)
				if !ok || left == 0 || !dies(verb, op) {
					return nil
				}
				left--
				deaths <- struct{}{}
				return died
			})
			defer faults.heal(ns)
			back := selecting(ns, "back", opsv1alpha1.InstanceSelector{})
			back.Spec.Type, back.Spec.RollbackOf = opsv1alpha1.TypeUpgrade, &opsv1alpha1.RollbackOfSpec{Name: "up", UID: string(up.UID)}
			create(t, back)
			<-deaths
			for _, ai := range instances {
				finish(t, childOn(t, back, ns, ai.Name))
			}
			reaches(t, back, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
			children := childrenOf(t, back)
			if len(children) != 3 || slices.ContainsFunc(children, func(c opsv1alpha1.Operation) bool { return !strings.Contains(string(c.Spec.Parameters.Raw), `"1"`) }) {
				t.Errorf("%d children: %+v", len(children), children)
			}
		})
	}
}
