// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"sync"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"
)

// fairQueue gives each cluster a share of a controller's workers and no more: those of a cluster whose API server does not answer wait for it, up
// to a minute each, and the others must have workers left. It hands a request out only while fewer than share of its cluster are at work; what has
// to wait for its turn is held back here. The queue beneath regards it as being worked on, so that it stays one request however often it is
// added.
type fairQueue struct {
	workqueue.TypedRateLimitingInterface[mcreconcile.Request]
	share int

	mu   sync.Mutex
	cond *sync.Cond
	// busy counts the requests of a cluster that are ready or at work.
	busy map[multicluster.ClusterName]int
	// held are those that wait for their turn, and ready those that wait for a worker.
	held  map[multicluster.ClusterName][]mcreconcile.Request
	ready []mcreconcile.Request
	// idle workers wait for a request. No more is fetched than they can take, but for what is held.
	idle int
	shut bool
}

func newFairQueue(beneath workqueue.TypedRateLimitingInterface[mcreconcile.Request], share int) *fairQueue {
	q := &fairQueue{
		TypedRateLimitingInterface: beneath, share: share,
		busy: map[multicluster.ClusterName]int{}, held: map[multicluster.ClusterName][]mcreconcile.Request{},
	}
	q.cond = sync.NewCond(&q.mu)
	go q.fetch()
	return q
}

// fetch sorts what comes from beneath, until that is shut down and empty.
func (q *fairQueue) fetch() {
	for {
		q.mu.Lock()
		for q.idle <= len(q.ready) && !q.ShuttingDown() {
			q.cond.Wait()
		}
		q.mu.Unlock()
		request, shut := q.TypedRateLimitingInterface.Get()
		q.mu.Lock()
		if shut {
			q.shut = true
			q.cond.Broadcast()
			q.mu.Unlock()
			return
		}
		if name := request.ClusterName; q.busy[name] < q.share {
			q.busy[name]++
			q.ready = append(q.ready, request)
			q.cond.Broadcast()
		} else {
			q.held[name] = append(q.held[name], request)
		}
		q.mu.Unlock()
	}
}

// Get waits for a request whose turn it is.
func (q *fairQueue) Get() (mcreconcile.Request, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.idle++
	q.cond.Broadcast()
	for len(q.ready) == 0 && !q.shut {
		q.cond.Wait()
	}
	q.idle--
	if len(q.ready) == 0 {
		return mcreconcile.Request{}, true
	}
	request := q.ready[0]
	q.ready = q.ready[1:]
	return request, false
}

// Done gives the turn to the next of the cluster.
func (q *fairQueue) Done(request mcreconcile.Request) {
	q.TypedRateLimitingInterface.Done(request)
	q.mu.Lock()
	defer q.mu.Unlock()
	name := request.ClusterName
	if next := q.held[name]; len(next) > 0 {
		q.ready = append(q.ready, next[0])
		if q.held[name] = next[1:]; len(next) == 1 {
			delete(q.held, name)
		}
		q.cond.Broadcast()
		return
	}
	if q.busy[name]--; q.busy[name] == 0 {
		delete(q.busy, name)
	}
}

// ShutDown lets the workers end.
func (q *fairQueue) ShutDown() {
	q.TypedRateLimitingInterface.ShutDown()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cond.Broadcast()
}
