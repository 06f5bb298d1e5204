// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"fmt"
	"testing"
	"testing/synctest"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"
)

func requestOf(cluster string, n int) mcreconcile.Request {
	r := mcreconcile.Request{ClusterName: multicluster.ClusterName(cluster)}
	r.Name = fmt.Sprint(n)
	return r
}

// take starts workers that wait for one request each, and returns where they put it. A worker that is sent home puts an empty one.
func take(q *fairQueue, workers int) <-chan mcreconcile.Request {
	got := make(chan mcreconcile.Request, workers)
	for range workers {
		go func() {
			r, _ := q.Get()
			got <- r
		}()
	}
	return got
}

func newTestQueue(share int) *fairQueue {
	return newFairQueue(workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[mcreconcile.Request]()), share)
}

// nothing fails the test when a worker has been given something. It waits until nothing moves any more.
func nothing(t *testing.T, got <-chan mcreconcile.Request, why string) {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-got:
		t.Fatalf("a worker was given %v: %s", r, why)
	default:
	}
}

// A cluster that keeps its workers for long leaves the others theirs, and none of its requests is lost.
func TestFairQueueLeavesWorkersToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newTestQueue(2)
		defer q.ShutDown()
		for i := range 5 {
			q.Add(requestOf("slow", i))
		}
		got := take(q, 3)
		a, b := <-got, <-got
		nothing(t, got, "the share is 2, and 2 are at work")
		q.Add(requestOf("quick", 0))
		if r := <-got; r.ClusterName != "quick" {
			t.Fatalf("the third worker got %v, and the other cluster waits", r)
		}
		q.Done(requestOf("quick", 0))

		q.Add(requestOf("slow", 2)) // held back, and added again: it is at work once at a time
		seen := map[string]int{a.Name: 1, b.Name: 1}
		for working := []mcreconcile.Request{a, b}; len(working) > 0; {
			q.Done(working[0])
			if working = working[1:]; len(seen) < 5 {
				r := <-take(q, 1)
				seen[r.Name]++
				working = append(working, r)
			}
		}
		if r := <-take(q, 1); r != requestOf("slow", 2) {
			t.Errorf("%v came again, and slow 2 was added while it was held back", r)
		}
		if len(seen) != 5 {
			t.Errorf("only %v came", seen)
		}
	})
}

// What was added while it was worked on comes again, as from any work queue.
func TestFairQueueBringsBackWhatChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newTestQueue(1)
		r := requestOf("one", 0)
		q.Add(r)
		<-take(q, 1)
		q.Add(r)
		again := take(q, 1)
		nothing(t, again, "it is at work")
		q.Done(r)
		if got := <-again; got != r {
			t.Fatalf("got %v, want %v", got, r)
		}
		waiting := take(q, 1)
		q.ShutDown()
		if got := <-waiting; got.ClusterName != "" {
			t.Errorf("a worker was given %v after the end", got)
		}
	})
}
