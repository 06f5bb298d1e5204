// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// The hub is killed after k of its ManifestWorks were created: while the answer to one is still on its way, so that the hub cannot know
// of it. The next hub must bring the run to the same end with one work for each cluster.
func TestHubThatIsKilledInMidDispatch(t *testing.T) {
	for _, k := range []int32{1, 5, 12} {
		f := newFleet(t, 12)
		f.options.Workers = 3
		f.place("all", f.clusters...)
		var created atomic.Int32
		killed := make(chan struct{})
		once := sync.OnceFunc(func() { close(killed) })
		f.funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if _, isWork := o.(*workv1.ManifestWork); !isWork {
				return c.Create(ctx, o, opts...)
			}
			if created.Add(1) > k {
				once()
				return context.Canceled // nothing reaches the API server any more
			}
			if err := c.Create(context.WithoutCancel(ctx), o, opts...); err != nil {
				return err
			}
			return apierrors.NewTimeoutError("the answer was lost", 1)
		}
		stop := f.startHub()
		op := f.operation("backup", "all")
		if k < 12 {
			<-killed
		} else {
			f.awaitWorks(op, 12)
		}
		stop()
		before := f.works(op)

		f.funcs.Create = nil
		f.startHub()
		works := f.awaitWorks(op, 12)
		for c, w := range before {
			if works[c].UID != w.UID {
				t.Errorf("k=%d: the work of cluster %s was made twice", k, c)
			}
		}
		for _, c := range f.clusters {
			f.report(op, c, succeeded(1))
		}
		got := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
		if got.Status.Message != "12 of 12 clusters succeeded" || got.Status.Summary.Instances.Succeeded != 12 {
			t.Errorf("k=%d: %+v", k, got.Status)
		}
	}
}

func TestErrorsOfTheAPIServerAreTriedAgain(t *testing.T) {
	f := newFleet(t, 6)
	var n atomic.Int32
	f.funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if _, isWork := o.(*workv1.ManifestWork); isWork && n.Add(1)%3 == 0 {
			return apierrors.NewTooManyRequests("slow down", 1)
		}
		return c.Create(ctx, o, opts...)
	}
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	f.awaitWorks(op, 6)
}

func TestWorksThatCanNeverBeCreated(t *testing.T) {
	f := newFleet(t, 2)
	f.funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if w, isWork := o.(*workv1.ManifestWork); isWork && w.Namespace == f.clusters[0] {
			return apierrors.NewBadRequest("the webhook says no")
		}
		return c.Create(ctx, o, opts...)
	}
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", deadline(time.Second))
	f.awaitWorks(op, 1)
	f.report(op, f.clusters[1], succeeded(1))
	got := f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if got.Status.Failures[0].Reason != opsv1alpha1.ReasonDispatchFailed || !strings.Contains(got.Status.Message, "the webhook says no") {
		t.Errorf("%+v", got.Status.Failures)
	}
}

func TestClustersThatAreGone(t *testing.T) {
	f := newFleet(t, 3)
	f.startHub()
	// The namespace of the first cluster is being removed; there has never been one for the last name.
	f.must(api.Delete(f.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.clusters[0]}}))
	f.place("all", append(f.clusters, f.ns+"-unknown")...)
	op := f.operation("backup", "all")
	f.awaitWorks(op, 2)
	for _, c := range f.clusters[1:] {
		f.report(op, c, succeeded(1))
	}
	got := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonSomeSkipped)
	if c := got.Status.Summary.Clusters; c.Skipped != 2 || !strings.Contains(got.Status.Message, "2 of 4 clusters succeeded, 2 were left out: "+f.clusters[0]+": the hub has no namespace for cluster") {
		t.Errorf("%+v, %s", c, got.Status.Message)
	}
}

func TestWorkOfSomebodyElse(t *testing.T) {
	f := newFleet(t, 2)
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	foreign, err := newCourier(op, Options{}.complete().sentSpec(op, nil), "elsewhere", time.Now()).manifestWork(firstWork(op, f.clusters[0]))
	f.must(err)
	foreign.Labels[opsv1alpha1.LabelOperation] = "somebody-else"
	f.must(api.Create(f.ctx, foreign))
	f.startHub()
	f.awaitWorks(op, 1)
	f.report(op, f.clusters[1], succeeded(1))
	got := f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if got.Status.Failures[0].Reason != opsv1alpha1.ReasonNameConflict {
		t.Errorf("%+v", got.Status.Failures)
	}
	f.must(api.Get(f.ctx, client.ObjectKeyFromObject(foreign), foreign))
	if !foreign.DeletionTimestamp.IsZero() {
		t.Error("somebody else's work was deleted")
	}
}

func TestOperationThatIsCreatedAgainUnderItsName(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	f.place("all", f.clusters...)
	one := f.operation("backup", "all")
	first := f.awaitWorks(one, 1)[f.clusters[0]]
	f.must(api.Delete(f.ctx, one))
	f.eventually("the first is gone", func() (string, error) {
		if err := api.Get(f.ctx, client.ObjectKeyFromObject(one), &opsv1alpha1.Operation{}); apierrors.IsNotFound(err) {
			return "", nil
		}
		return "still there", nil
	})
	two := f.operation("backup", "all")
	second := f.awaitWorks(two, 1)[f.clusters[0]]
	if first.Name == second.Name {
		t.Error("two runs share a ManifestWork")
	}
}

func TestLongestNames(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	name := strings.Repeat("backup.", 36) + "1" // 253 characters
	f.place("all", f.clusters...)
	op := f.operation(name, "all")
	f.awaitWorks(op, 1)
	f.report(op, f.clusters[0], succeeded(1))
	f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
}

// A thousand clusters get one work each, in a plan of two chunks - one of which a hub that was killed had begun to write.
func TestThousandClusters(t *testing.T) {
	const n = 1000
	f := newBareFleet(t, n)
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	stale, err := placement.EncodePlan(placement.Plan{
		Spec: op.Spec, Groups: []placement.Group{{Clusters: append([]string{"another-cluster"}, f.clusters...)}},
	})
	f.must(err)
	f.must(api.Create(f.ctx, planChunk(op, 1, stale[1])))
	count := f.countWrites()
	f.options.StatusInterval = time.Second
	f.startHub()
	f.awaitWorks(op, n)
	f.must(each(f.ctx, f.clusters, 32, func(_ context.Context, c string) error {
		return f.tryReport(op, c, succeeded(3))
	}, func(c string, err error) { t.Errorf("%s: %v", c, err) }, nil))
	got := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	if got.Status.Summary.Instances.Succeeded != 3*n || got.Status.Plan.Chunks != 2 {
		t.Errorf("%+v", got.Status)
	}
	ran := got.Status.FinishedAt.Sub(got.Status.StartedAt.Time)
	if writes := count.statuses.Load(); writes > int32(ran.Seconds())+10 {
		t.Errorf("%d writes of the status in a run of %s", writes, ran)
	}
}
