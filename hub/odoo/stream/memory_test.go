// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// drain tells all that there is.
func (a *alone) drain() {
	for range 1000 {
		if a.step(context.Background()) == 0 {
			return
		}
		a.clock.Step(time.Second)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What the stream keeps of an Operation that runs and of which all was told, and of one that nobody was told of while the sink is away.
func BenchmarkMemoryOfAnOperation(b *testing.B) {
	const n = 20_000
	for _, away := range []bool{false, true} {
		b.Run(fmt.Sprintf("away=%v", away), func(b *testing.B) {
			for b.Loop() {
				a := newAlone()
				if away {
					a.sink.answer = func() (took bool, err error) { return false, errors.New("away") }
				}
				a.begin()
				a.store.hide(n)
				a.sink.wants = func(*event) bool { return away } // the sink itself keeps nothing
				before := heap()
				for k := range a.store.operations {
					a.news(k)
				}
				a.drain()
				b.ReportMetric(float64(heap()-before)/n, "B/Operation")
				runtime.KeepAlive(a)
			}
		})
	}
}

// hide so many Operations in the store.
func (s *fakeStore) hide(n int) {
	for i := range n {
		op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: fmt.Sprintf("operation-%d", i), UID: types.UID(fmt.Sprintf("1f0a7d0c-0000-0000-0000-%012d", i)), Finalizers: []string{opsv1alpha1.ReportFinalizer},
		}}
		op.Transition(noon).Accept("it makes sense")
		op.Transition(noon).Run("RollingOut", "it runs")
		s.operations[operationKey(op)] = op
	}
}

// What the stream keeps of a cluster's result that was told, while the run goes on.
func BenchmarkMemoryOfAResult(b *testing.B) {
	const clusters = 100_000
	for b.Loop() {
		a := newAlone()
		a.begin()
		a.sink.wants = func(*event) bool { return false }
		a.store.hide(1)
		var op *opsv1alpha1.Operation
		for _, op = range a.store.operations {
			op.Status.Plan = &opsv1alpha1.PlanStatus{Clusters: clusters + 1}
			op.Status.Summary = &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: clusters + 1, Succeeded: clusters}}
		}
		chunks := make([][]placement.ClusterResult, placement.Chunks(clusters))
		for i := range clusters {
			r := placement.ClusterResult{Cluster: fmt.Sprintf("cluster-%06d", i), State: placement.Succeeded}
			chunks[i/placement.ChunkSize] = append(chunks[i/placement.ChunkSize], r)
		}
		a.store.chunks[op.UID] = chunks
		before := heap()
		a.news(operationKey(op))
		a.drain()
		b.ReportMetric(float64(heap()-before)/clusters, "B/result")
		runtime.KeepAlive(a)
	}
}
