// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

func (f *fleet) keptResults(op *opsv1alpha1.Operation) []placement.ClusterResult {
	f.t.Helper()
	return f.resultsIn(op, ResultName(op)+"-0")
}

// resultsIn a ConfigMap of an Operation.
func (f *fleet) resultsIn(op *opsv1alpha1.Operation, name string) []placement.ClusterResult {
	f.t.Helper()
	chunk := &corev1.ConfigMap{}
	f.must(api.Get(f.ctx, types.NamespacedName{Namespace: f.ns, Name: name}, chunk))
	if chunk.Labels[opsv1alpha1.LabelOperation] != string(op.UID) || len(chunk.OwnerReferences) != 1 {
		f.t.Errorf("%+v", chunk.ObjectMeta)
	}
	results, err := placement.DecodeResults(chunk.BinaryData[chunkKey])
	f.must(err)
	return results
}

func TestResultsAreKeptThenWorksGo(t *testing.T) {
	f := newFleet(t, 2)
	count := f.countWrites()
	f.options.WorkRetention = 2 * time.Second
	stop := f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	f.awaitWorks(op, 2)
	f.report(op, f.clusters[0], succeeded(1))
	f.report(op, f.clusters[1], report{phase: opsv1alpha1.PhaseFailed, reason: "EngineFailed", message: "disk full"})
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if results := f.keptResults(op); len(results) != 2 || results[1].Message != "disk full" {
		t.Errorf("%+v", results)
	}
	for c, w := range f.works(op) {
		if !w.DeletionTimestamp.IsZero() {
			t.Errorf("the work of %s goes before its time", c)
		}
	}
	for _, c := range f.clusters {
		f.eventually("the work of "+c+" is being deleted", func() (string, error) {
			w := f.work(op, c)
			switch {
			case w == nil || w.DeletionTimestamp.IsZero():
				return "it is not", nil
			case isWithdrawn(w):
				return "the spoke's record goes with it", nil
			}
			f.agentDeletes(w)
			return "", nil
		})
	}
	f.eventually("the finalizer is off", func() (string, error) {
		return strings.Join(f.get(op).Finalizers, ","), nil
	})

	// From here on the run costs nothing: neither a hub that stays up nor one that starts writes anything.
	stop()
	before := count.total()
	f.startHub()
	probe := f.operation("probe", "nowhere") // whoever has acted on this has looked at everything older
	f.await(probe, opsv1alpha1.PhasePending, opsv1alpha1.ReasonPlacementNotFound)
	if n := count.total() - before; n != 1 {
		t.Errorf("%d writes for a run that is over", n-1)
	}
}

// Results outlive their works, also for a hub that never saw those.
func TestKeptResultsAreNotRunAgain(t *testing.T) {
	f := newFleet(t, 2)
	f.place("all", f.clusters...)
	stop := f.startHub()
	op := f.operation("backup", "all")
	works := f.awaitWorks(op, 2)
	f.report(op, f.clusters[0], report{phase: opsv1alpha1.PhaseFailed, reason: "EngineFailed", message: "disk full"})
	f.eventually("the result is kept", func() (string, error) {
		chunk := &corev1.ConfigMap{}
		return "", api.Get(f.ctx, types.NamespacedName{Namespace: f.ns, Name: ResultName(op) + "-0"}, chunk)
	})
	stop()
	w := works[f.clusters[0]]
	f.agentDeletes(&w)
	f.must(api.Delete(f.ctx, &w))
	f.startHub()
	f.report(op, f.clusters[1], succeeded(1))
	got := f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if got.Status.Failures[0].Message != "disk full" || f.work(op, f.clusters[0]) != nil {
		t.Errorf("%+v", got.Status)
	}
}

func TestTTLDeletesTheOperation(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", func(op *opsv1alpha1.Operation) { op.Spec.TTLSecondsAfterFinished = ptr.To(int32(1)) })
	rejected := f.operation("rejected", "all", func(op *opsv1alpha1.Operation) {
		op.Spec.Placement, op.Spec.TTLSecondsAfterFinished = nil, ptr.To(int32(0))
	})
	f.awaitGone(rejected.DeepCopy())
	f.awaitWorks(op, 1)
	f.report(op, f.clusters[0], succeeded(1))
	f.awaitGone(op.DeepCopy())
	f.awaitDeletion(op, f.clusters[0])
}

// The number of status writes follows the time that a run takes, not the number of events.
func TestStatusWritesAreBounded(t *testing.T) {
	f := newFleet(t, 30)
	count := f.countWrites()
	f.options.StatusInterval = time.Second
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	f.awaitWorks(op, 30)
	for range 4 {
		for _, c := range f.clusters {
			f.report(op, c, running())
			f.report(op, c, report{phase: opsv1alpha1.PhaseRunning, reason: opsv1alpha1.ReasonExpanded, message: "still at work"})
		}
	}
	for _, c := range f.clusters {
		f.report(op, c, succeeded(1))
	}
	got := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	ran := got.Status.FinishedAt.Sub(got.Status.StartedAt.Time) + time.Second
	if n := count.statuses.Load(); n > int32(ran.Seconds())+10 {
		t.Errorf("%d writes in %s", n, ran)
	}
	if len(got.Status.History) > 4 {
		t.Errorf("%+v", got.Status.History)
	}
}

// TestLoadThatIsBrokenOff: a hub that comes up in trouble, and cannot read all that it needs at first, knows in the end what had been started, and does not start it again.
func TestLoadThatIsBrokenOff(t *testing.T) {
	f := newFleet(t, 2)
	stop := f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("upgrade", "all", oneAtATime)
	f.awaitWorks(op, 1)
	f.eventually("it to be on record that the first was started", func() (string, error) {
		s := f.get(op).Status.Rollout
		return differs(fmt.Sprint(s != nil && s.Started == 1), "true"), nil
	})
	stop()
	first := firstWork(op, f.clusters[0])
	f.must(api.Delete(f.ctx, &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: first.Namespace, Name: first.Name}}))
	var refused atomic.Bool
	f.funcs = interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		if _, asked := list.(*workv1.ManifestWorkList); asked && refused.CompareAndSwap(false, true) {
			return apierrors.NewTooManyRequests("busy", 1)
		}
		return c.List(ctx, list, opts...)
	}}
	f.startHub()
	f.saying(op, "1 of its clusters failed")
	if told := f.told(op); len(told) != 0 || !refused.Load() {
		t.Errorf("told again: %v", told)
	}
}
