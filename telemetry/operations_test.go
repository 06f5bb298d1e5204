// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func operation(name string, engine opsv1alpha1.OperationEngine) *opsv1alpha1.Operation {
	return &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeBackup, Engine: engine},
	}
}

// TestOperationsAreCounted as the caches of two clusters tell of them, and not when a cluster has gone or somebody else acts on them.
func TestOperationsAreCounted(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := opsv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	o := NewOperations("test", func(op *opsv1alpha1.Operation) Level {
		if op.Name == "foreign" {
			return ""
		}
		return LevelInstance
	})
	near, far := &informertest.FakeInformers{Scheme: scheme}, &informertest.FakeInformers{Scheme: scheme}
	farCtx, leave := context.WithCancel(t.Context())
	if err := o.Watch(t.Context(), near); err != nil {
		t.Fatal(err)
	}
	if err := o.Watch(farCtx, far); err != nil {
		t.Fatal(err)
	}
	here, _ := near.FakeInformerFor(t.Context(), &opsv1alpha1.Operation{})
	there, _ := far.FakeInformerFor(t.Context(), &opsv1alpha1.Operation{})
	expect := func(want string) {
		t.Helper()
		if err := testutil.CollectAndCompare(o, strings.NewReader(want), "test_operations", "test_operations_blocked"); err != nil {
			t.Error(err)
		}
	}
	const help = "# HELP test_operations Operations that exist, by level, type, engine and phase.\n# TYPE test_operations gauge\n"
	const helpBlocked = "# HELP test_operations_blocked Operations that wait for something, by level and the reason of their condition Blocked.\n# TYPE test_operations_blocked gauge\n"

	a, b := operation("a", ""), operation("b", opsv1alpha1.EngineJob)
	here.Add(a)
	here.Add(operation("foreign", ""))
	there.Add(b)
	expect(help + `test_operations{engine="auto",level="instance",phase="Pending",type="Backup"} 1
test_operations{engine="job",level="instance",phase="Pending",type="Backup"} 1
`)
	blocked := a.DeepCopy()
	blocked.Transition(time.Now()).Block(opsv1alpha1.ReasonTargetNotReady, "not yet")
	here.Update(a, blocked)
	running := b.DeepCopy()
	running.Transition(time.Now()).Await(opsv1alpha1.ReasonAwaitingResume, opsv1alpha1.ReasonEngineRunning, "paused")
	there.Update(b, running)
	there.Update(running, running) // a resync
	expect(help + `test_operations{engine="auto",level="instance",phase="Pending",type="Backup"} 1
test_operations{engine="job",level="instance",phase="Running",type="Backup"} 1
` + helpBlocked + `test_operations_blocked{level="instance",reason="AwaitingResume"} 1
test_operations_blocked{level="instance",reason="TargetNotReady"} 1
`)
	leave()
	// What follows the end of a context runs in a goroutine of its own.
	err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return len(o.byPhase.Counts())+len(o.held.Counts()) == 2, nil
	})
	if err != nil {
		t.Errorf("a cluster that has gone still counts: %v", err)
	}
	expect(help + `test_operations{engine="auto",level="instance",phase="Pending",type="Backup"} 1
` + helpBlocked + `test_operations_blocked{level="instance",reason="TargetNotReady"} 1
`)
	here.Delete(blocked)
	if n, held := o.byPhase.Counts(), o.held.Counts(); len(n)+len(held) != 0 {
		t.Errorf("a deleted Operation still counts: %v %v", n, held)
	}
	c := operation("c", "")
	here.Add(c)
	for one := range o.byPhase.counts { // the watch broke, and it was gone when the list came
		o.byPhase.change(one, toolscache.DeletedFinalStateUnknown{Key: "shop/c", Obj: c}, nil)
	}
	if n := o.byPhase.Counts(); len(n) != 0 {
		t.Errorf("one whose deletion was missed still counts: %v", n)
	}
}

// TestEndedIsCountedOnce: at the transition, and not at any write after it.
func TestEndedIsCountedOnce(t *testing.T) {
	o := NewOperations("test", func(*opsv1alpha1.Operation) Level { return LevelFleet })
	op := operation("a", opsv1alpha1.EngineVelero)
	op.Transition(time.Now()).Run("Started", "")
	if o.Ended(op, "") {
		t.Error("one that runs has ended")
	}
	if n := testutil.CollectAndCount(o, "test_operations_ended_total"); n != 3 {
		t.Errorf("one that runs may end in three ways, and %d can be counted from 0", n)
	}
	op.Transition(time.Now()).Fail("EngineFailed", "")
	if !o.Ended(op, opsv1alpha1.PhaseRunning) || o.Ended(op, opsv1alpha1.PhaseFailed) {
		t.Error("the end is not told from what follows")
	}
	want := `# HELP test_operations_ended_total Operations that ended, by level, type, engine and result.
# TYPE test_operations_ended_total counter
test_operations_ended_total{engine="velero",level="fleet",result="Cancelled",type="Backup"} 0
test_operations_ended_total{engine="velero",level="fleet",result="Failed",type="Backup"} 1
test_operations_ended_total{engine="velero",level="fleet",result="Succeeded",type="Backup"} 0
`
	if err := testutil.CollectAndCompare(o, strings.NewReader(want), "test_operations_ended_total"); err != nil {
		t.Error(err)
	}
}

// TestReasonsAreBounded: whatever somebody writes into statuses, a scrape stays small, and nothing is left out of the sum.
func TestReasonsAreBounded(t *testing.T) {
	counts, total := map[hold]int{{LevelFleet, "Often"}: 1000}, 1000
	for i := range 3 * maxReasons {
		counts[hold{LevelInstance, fmt.Sprint("Odd", i)}] = 1
		total++
	}
	got := bounded(counts)
	if len(got) != maxReasons+1 || got[hold{LevelFleet, "Often"}] != 1000 {
		t.Errorf("%d reasons; the frequent one %d times", len(got), got[hold{LevelFleet, "Often"}])
	}
	for _, n := range got {
		total -= n
	}
	if total != 0 {
		t.Errorf("%d are missing from the sum", total)
	}
}

// BenchmarkCount is what an event of an Operation costs.
func BenchmarkCount(b *testing.B) {
	o := NewOperations("test", func(*opsv1alpha1.Operation) Level { return LevelFleet })
	before := operation("a", opsv1alpha1.EngineJob)
	after := before.DeepCopy()
	after.Transition(time.Now()).Run("Started", "")
	here, held := &census[standing]{}, &census[hold]{}
	b.ReportAllocs()
	for b.Loop() {
		o.byPhase.change(here, before, after)
		o.held.change(held, before, after)
	}
}
