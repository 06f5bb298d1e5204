// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func (f *fleet) cancelOp(op *opsv1alpha1.Operation) {
	f.t.Helper()
	f.must(api.Patch(f.ctx, op.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"cancel":true}}`))))
}

func saysCancel(w *workv1.ManifestWork) bool {
	return strings.Contains(string(w.Spec.Workload.Manifests[0].Raw), `"cancel":true`)
}

// One cluster has ended, one is at work, one has not answered, and one could not be told anything yet.
func TestCancel(t *testing.T) {
	f := newFleet(t, 4)
	f.funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if w, isWork := o.(*workv1.ManifestWork); isWork && w.Namespace == f.clusters[3] {
			return apierrors.NewServiceUnavailable("not yet")
		}
		return c.Create(ctx, o, opts...)
	}
	stop := f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	f.awaitWorks(op, 3)
	f.report(op, f.clusters[0], succeeded(1))
	f.report(op, f.clusters[1], running())
	f.eventually("both are known", func() (string, error) {
		if c := f.get(op).Status.Summary.Clusters; c.Succeeded != 1 || c.Running != 1 {
			return f.get(op).Status.Message, nil
		}
		return "", nil
	})
	f.cancelOp(op)
	for _, c := range f.clusters[1:3] {
		f.eventually(c+" is told", func() (string, error) {
			if !saysCancel(f.work(op, c)) {
				return "it is not", nil
			}
			return "", nil
		})
	}
	if saysCancel(f.work(op, f.clusters[0])) {
		t.Error("a cluster that has ended was told to cancel")
	}
	got := f.get(op)
	if got.Status.Phase != opsv1alpha1.PhaseRunning {
		t.Errorf("the run is over before its clusters are: %+v", got.Status)
	}
	// Whoever goes on from here tells nobody twice in a way that the API server would notice.
	versions := f.versions(op)
	stop()
	f.startHub()
	f.report(op, f.clusters[1], report{phase: opsv1alpha1.PhaseCancelled, reason: opsv1alpha1.ReasonUserCancelled})
	f.eventually("another has ended", func() (string, error) { return differs(f.get(op).Status.Progress, "3/4"), nil })
	if after := f.versions(op); after[f.clusters[2]] != versions[f.clusters[2]] {
		t.Error("the cancel was written again")
	}
	f.report(op, f.clusters[2], report{phase: opsv1alpha1.PhaseCancelled, reason: opsv1alpha1.ReasonUserCancelled})
	got = f.await(op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
	if c := got.Status.Summary.Clusters; c.Cancelled != 3 || c.Succeeded != 1 {
		t.Errorf("%+v", c)
	}
}

func (f *fleet) versions(op *opsv1alpha1.Operation) map[string]string {
	versions := map[string]string{}
	for c, w := range f.works(op) {
		versions[c] = w.ResourceVersion
	}
	return versions
}

func TestCancelBeforeAnythingWasBegun(t *testing.T) {
	f := newFleet(t, 0)
	f.startHub()
	op := f.operation("backup", "nowhere")
	f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonPlacementNotFound)
	f.cancelOp(op)
	f.await(op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
}

func (f *fleet) awaitGone(o client.Object) {
	f.t.Helper()
	f.eventually(o.GetName()+" shall be gone", func() (string, error) {
		err := api.Get(f.ctx, client.ObjectKeyFromObject(o), o)
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		return "it is there, with finalizers " + strings.Join(o.GetFinalizers(), ","), err
	})
}

// awaitDeletion waits until the work of a cluster is being deleted, or gone.
func (f *fleet) awaitDeletion(op *opsv1alpha1.Operation, cluster string) {
	f.t.Helper()
	f.eventually("the work of "+cluster+" is being deleted", func() (string, error) {
		if w := f.work(op, cluster); w != nil && w.DeletionTimestamp.IsZero() {
			return "it is not", nil
		}
		return "", nil
	})
}

// Deleting a run cancels it on the clusters that can be reached, leaves the records of those that have ended, and does not wait for a
// cluster that is away: that one finds the cancel when it comes back.
func TestDeleteWhileRunning(t *testing.T) {
	f := newFleet(t, 4)
	f.startHub()
	f.place("all", f.clusters...)
	f.must(f.setAvailable(f.clusters[3], metav1.ConditionUnknown))
	op := f.operation("backup", "all")
	f.awaitWorks(op, 4)
	f.report(op, f.clusters[0], succeeded(1))
	f.report(op, f.clusters[1], running())
	f.report(op, f.clusters[3], running())
	f.eventually("all are known", func() (string, error) { return differs(f.get(op).Status.Progress, "1/4"), nil })
	f.must(api.Delete(f.ctx, op.DeepCopy()))

	// Nobody has seen the work of the third cluster: it goes at once. The first has ended: its record stays.
	f.eventually("the works that need nobody's help", func() (string, error) {
		if f.work(op, f.clusters[2]) != nil {
			return "the unseen work is there", nil
		}
		if w := f.work(op, f.clusters[0]); w == nil || w.DeletionTimestamp.IsZero() || isWithdrawn(w) {
			return "the work of the cluster that has ended is not being deleted, or withdrawn", nil
		}
		return "", nil
	})
	// The second is told to stop; its agent applies that.
	f.eventually("the run is withdrawn", func() (string, error) {
		if w := f.work(op, f.clusters[1]); w == nil || !isWithdrawn(w) || !saysCancel(w) {
			return "it is not", nil
		}
		return "", nil
	})
	if w := f.work(op, f.clusters[1]); !w.DeletionTimestamp.IsZero() {
		t.Error("the work is deleted before its agent owns what is to be deleted with it")
	}
	f.report(op, f.clusters[1], running())
	f.awaitDeletion(op, f.clusters[1])
	f.awaitGone(op.DeepCopy())
	away := f.work(op, f.clusters[3])
	if away == nil || !isWithdrawn(away) || !saysCancel(away) || !away.DeletionTimestamp.IsZero() {
		t.Fatalf("the cluster that is away: %+v", away)
	}
	f.report(op, f.clusters[3], running()) // it is back and applies what it finds
	f.awaitDeletion(op, f.clusters[3])
}

func TestReapable(t *testing.T) {
	seen := func(change func(*workv1.ManifestWork)) *workv1.ManifestWork {
		w := workWith(running())
		w.Finalizers = []string{workv1.ManifestWorkFinalizer}
		change(w)
		return w
	}
	for _, tc := range []struct {
		name string
		work *workv1.ManifestWork
		want bool
	}{
		{"nobody has seen it", &workv1.ManifestWork{}, true},
		{"seen, nothing applied yet", &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{workv1.ManifestWorkFinalizer}}}, false},
		{"applied as it was before", seen(func(w *workv1.ManifestWork) { w.Generation = 2 }), false},
		{"the withdrawal is applied", seen(func(*workv1.ManifestWork) {}), true},
		{"applying the withdrawal failed, the object is there", seen(func(w *workv1.ManifestWork) { w.Status.Conditions[0].Status = metav1.ConditionFalse }), false},
		{"nothing could ever be applied", seen(func(w *workv1.ManifestWork) { fill(w, report{applyErr: "x"}) }), true},
		{"ended in the meantime", seen(func(w *workv1.ManifestWork) { fill(w, succeeded(1)); w.Generation = 2 }), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := reapable(tc.work); got != tc.want {
				t.Errorf("%v", got)
			}
		})
	}
}
