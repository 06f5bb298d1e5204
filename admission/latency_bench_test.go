// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// BenchmarkCreate is what it takes to create an Operation, with and without somebody to ask. A dry run: what is measured is admission, and not etcd.
func BenchmarkCreate(b *testing.B) {
	create := func(b *testing.B) {
		who := alice(b)
		var slowest time.Duration
		for b.Loop() {
			begun := time.Now()
			if err := who.Create(b.Context(), operation(nil), client.DryRunAll); err != nil {
				b.Fatal(err)
			}
			slowest = max(slowest, time.Since(begun))
		}
		b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
	}
	b.Run("policies", create)
	b.Run("policies-and-webhooks", func(b *testing.B) {
		served(b, nil)
		create(b)
	})
}
