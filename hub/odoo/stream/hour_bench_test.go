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
)

// BenchmarkAnHourAway is what it costs that a receiver is away for an hour, in which 1,000 Operations begin and end: the time of the processor for all of it, the requests
// that were tried in vain, the writes to the API server (there are none), and how many batches it takes afterwards to tell it all. What is kept meanwhile is in
// BenchmarkMemoryOfAnOperation.
func BenchmarkAnHourAway(b *testing.B) {
	const operations, hour = 1000, 3600
	for b.Loop() {
		a := newAlone()
		a.begin()
		tried, writes := 0, 0
		a.store.fails = func(call string) error {
			if call == "write" || call == "hold" || call == "settle" || call == "burn" {
				writes++
			}
			return nil
		}
		a.sink.answer = func() (took bool, err error) { tried++; return false, errors.New("away") }
		made := make([]*opsv1alpha1.Operation, operations)
		for i := range made {
			made[i] = &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{
				Namespace: "team", Name: fmt.Sprintf("backup-%d", i), UID: types.UID(fmt.Sprintf("1f0a7d0c-0000-0000-0000-%012d", i)), Finalizers: []string{opsv1alpha1.ReportFinalizer},
			}}
			a.store.operations[operationKey(made[i])] = made[i]
		}
		var next time.Time
		begun := time.Now()
		for second := range hour {
			for i := second * operations / hour; i < (second+1)*operations/hour; i++ {
				for _, step := range []func(opsv1alpha1.Transitioner){accept, run, succeed} {
					step(made[i].Transition(a.clock.Now()))
					a.newsOf(operationKey(made[i]), view{Operation: made[i]})
				}
			}
			a.clock.Step(time.Second)
			for !a.clock.Now().Before(next) {
				wait := a.step(context.Background())
				if next = a.clock.Now().Add(wait); wait == 0 {
					break
				}
			}
		}
		b.ReportMetric(float64(time.Since(begun).Microseconds())/1000, "ms-processor")
		b.ReportMetric(float64(tried), "requests")
		b.ReportMetric(float64(writes), "writes")
		a.sink.answer = func() (took bool, err error) { return true, nil }
		a.clock.Step(time.Minute)
		a.drain()
		if told := len(a.sink.keys); told < 3*operations {
			b.Fatalf("told %d events of %d", told, 3*operations)
		}
		b.ReportMetric(float64(len(a.sink.batches)), "batches-after")
		runtime.KeepAlive(a)
	}
}
