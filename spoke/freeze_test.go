// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// freeze the cluster, until the test ends at the latest.
func freeze(t *testing.T, name string, spec opsv1alpha1.FreezeSpec) *opsv1alpha1.Freeze {
	t.Helper()
	f := &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	create(t, f)
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(k8s.Delete(context.Background(), f)); err != nil {
			t.Error(err)
		}
	})
	return f
}

func thaw(t *testing.T, f *opsv1alpha1.Freeze) {
	t.Helper()
	if err := k8s.Delete(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// TestFreeze: nothing begins while there is one, be it a run or an expansion, however long that takes; what runs goes on; and all of it begins when it is gone.
func TestFreeze(t *testing.T) {
	agentClock.resetAfter(t)
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	before := on(ns, "before", "web", opsv1alpha1.TypeBackup)
	create(t, before)
	w := widgetOf(t, before)
	f := freeze(t, "outage", opsv1alpha1.FreezeSpec{Reason: "the payment provider is down"})
	one, many := on(ns, "one", "web", opsv1alpha1.TypeUpgrade), selecting(ns, "many", opsv1alpha1.InstanceSelector{})
	for _, op := range []*opsv1alpha1.Operation{one, many} {
		op.Spec.StartDeadline = seconds(1)
		create(t, op)
		says(t, blockedFrom(t, op, opsv1alpha1.ReasonFrozen), `Freeze outage holds it ("the payment provider is down"); it goes on by itself when that is removed`)
	}
	done(t, w)
	reaches(t, before, opsv1alpha1.PhaseSucceeded, "")
	agentClock.forward(time.Hour) // longer than the start deadline
	for _, op := range []*opsv1alpha1.Operation{one, many} {
		patch(t, op, func() { op.Annotations = map[string]string{"look": "again"} })
		blockedFrom(t, op, opsv1alpha1.ReasonFrozen)
	}
	if n := len(widgetsOf(t, one)) + len(childrenOf(t, many)); n > 0 {
		t.Errorf("%d things were begun", n)
	}
	thaw(t, f)
	finish(t, one)
	finish(t, childOn(t, many, ns, "web"))
	reaches(t, one, opsv1alpha1.PhaseSucceeded, "")
	reaches(t, many, opsv1alpha1.PhaseSucceeded, "")
}

// TestFreezeBelow: what was expanded before is held too, and says so above.
func TestFreezeBelow(t *testing.T) {
	ns := gatedNamespace(t)
	create(t, placeholder(ns, "web", "shop"))
	op := selecting(ns, "op", opsv1alpha1.InstanceSelector{})
	create(t, op)
	c := childOn(t, op, ns, "web")
	blockedFrom(t, c, opsv1alpha1.ReasonCapabilityMissing)
	f := freeze(t, "outage", opsv1alpha1.FreezeSpec{Reason: "x"})
	instance := placeholder(ns, "web", "shop")
	patch(t, instance, func() {
		instance.Annotations = map[string]string{opsv1alpha1.TypeRunCommand.Capability(): string(widgetName)}
	})
	says(t, op, "1 blocked: "+ns+"/web: Frozen: Freeze outage holds it")
	thaw(t, f)
	finish(t, c)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestFreezeOfATypeUntil: one for some types holds no others, and one with an end ends by itself.
func TestFreezeOfATypeUntil(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	until := metav1.NewTime(agentClock.Now().Add(10 * time.Second).Truncate(time.Second))
	freeze(t, "upgrades", opsv1alpha1.FreezeSpec{Reason: "x", Types: []opsv1alpha1.OperationType{opsv1alpha1.TypeUpgrade}, Until: &until})
	upgrade, command := on(ns, "upgrade", "web", opsv1alpha1.TypeUpgrade), on(ns, "command", "web", opsv1alpha1.TypeRunCommand)
	create(t, upgrade)
	create(t, command)
	says(t, blockedFrom(t, upgrade, opsv1alpha1.ReasonFrozen), "when that is removed, or at "+until.UTC().Format(time.RFC3339))
	finish(t, command)
	finish(t, upgrade) // without anybody's doing
	reaches(t, upgrade, opsv1alpha1.PhaseSucceeded, "")
	if began := upgrade.Status.StartedAt; began.Before(&until) || began.Sub(until.Time) > blockedInterval/2 {
		t.Errorf("it began at %s, and was held until %s", began, until)
	}
}

// TestFreezeKeepsPlaces: who was first before is first after.
func TestFreezeKeepsPlaces(t *testing.T) {
	first, second := in(opsv1alpha1.PhasePending, "a", opsv1alpha1.ReasonFrozen, ""), in(opsv1alpha1.PhasePending, "a")
	first.UID, second.UID = "1", "2"
	if r := rival(&second, []opsv1alpha1.Operation{first, second}); r == nil || r.UID != first.UID {
		t.Errorf("%+v goes first", r)
	}
}
