// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// BenchmarkFanOut measures how long a fleet Operation takes from its creation to its last ManifestWork, as a multiple of the floor: the
// same ManifestWorks created by plain client-go calls from 32 workers, in the same process against the same API server, alternating
// with the hub's runs. Admission, plan, fence and status are part of the hub's time and not of the floor's.
//
// Run it with nothing else on the machine: go test -run '^$' -bench FanOut -benchtime 5x ./hub/
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{50, 200, 1000} {
		b.Run(fmt.Sprintf("N=%d", n), func(b *testing.B) {
			f := newBareFleet(b, n)
			f.options.StatusInterval = time.Second
			f.options.WorkRetention = time.Hour
			f.place("all", f.clusters...)
			plain, err := client.New(apiConfig, client.Options{Scheme: NewScheme()})
			f.must(err)
			f.startHub()
			last := f.lastWork()
			var floor, hub time.Duration
			for i := 0; b.Loop(); i++ {
				floor += f.plainFanOut(plain, fmt.Sprintf("plain-%d", i))
				start := time.Now()
				op := f.operation(fmt.Sprintf("run-%d", i), "all")
				hub += last(op, n).Sub(start)
			}
			b.ReportMetric(hub.Seconds()/floor.Seconds(), "x-floor")
			b.ReportMetric(hub.Seconds()/float64(b.N), "s-hub")
			b.ReportMetric(floor.Seconds()/float64(b.N), "s-floor")
			b.ReportMetric(0, "ns/op") // one turn has a floor in it, and waits
		})
	}
}

// plainFanOut creates a ManifestWork for every cluster, with no controller in between. They carry another label than the hub's, so that
// its cache does not pay for them.
func (f *fleet) plainFanOut(c client.Client, name string) time.Duration {
	f.t.Helper()
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: name, UID: "0f6c1f5e-8a54-4d6d-a5d3-1d1f1c6d0b11"}}
	op.Spec.Selector = &opsv1alpha1.InstanceSelector{}
	o := Options{}.complete()
	courier := newCourier(op, o.sentSpec(op, nil), o.AgentNamespace, time.Now())
	start := time.Now()
	f.must(each(f.ctx, f.clusters, 32, func(ctx context.Context, cluster string) error {
		w, err := courier.manifestWork(firstWork(op, cluster))
		if err != nil {
			return err
		}
		w.Labels = map[string]string{"plain": "true"}
		return c.Create(ctx, w)
	}, func(c string, err error) { f.t.Errorf("%s: %v", c, err) }))
	return time.Since(start)
}

// lastWork returns a function that tells when the n-th ManifestWork of an Operation was there, as a watch sees it.
func (f *fleet) lastWork() func(op *opsv1alpha1.Operation, n int) time.Time {
	f.t.Helper()
	watcher, err := client.NewWithWatch(apiConfig, client.Options{Scheme: NewScheme()})
	f.must(err)
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(workListKind)
	return func(op *opsv1alpha1.Operation, n int) time.Time {
		f.t.Helper()
		ctx, cancel := context.WithTimeout(f.ctx, 5*patience)
		defer cancel()
		var events watch.Interface
		seen := map[string]bool{}
		for len(seen) < n {
			if events == nil {
				var err error
				events, err = watcher.Watch(ctx, list, client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)})
				f.must(err)
			}
			select {
			case e, open := <-events.ResultChan():
				if !open {
					events = nil // begins anew with what there is
					continue
				}
				if w, isWork := e.Object.(*metav1.PartialObjectMetadata); isWork && w.Labels[opsv1alpha1.LabelOperation] == string(op.UID) {
					seen[w.Namespace] = true
				}
			case <-ctx.Done():
				f.t.Fatalf("%d of %d works", len(seen), n)
			}
		}
		end := time.Now()
		events.Stop()
		return end
	}
}
