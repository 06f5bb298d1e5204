// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/admission"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// BenchmarkCreate is what it takes to create an Operation while 100 are created in a second, with a catalog of 500 templates: with the policies alone, which
// is the floor, and with all that the hub is asked besides. Dry runs: what is measured is admission, and not etcd.
func BenchmarkCreate(b *testing.B) {
	const (
		templates = 500
		every     = time.Second / 100
	)
	for i := range templates {
		listed(b, fmt.Sprintf("bench-%03d", i), func(s *opsv1alpha1.OperationTemplateSpec) {
			s.InputSchema = &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"properties":{"ttl":{"pattern":"^[0-9]+h$"},"of%d":{"type":"string"}},"required":["ttl"],"additionalProperties":false}`, i)}
		})
	}
	create := func(b *testing.B) {
		who := alice(b)
		var (
			wait  sync.WaitGroup
			mutex sync.Mutex
			took  []time.Duration
		)
		due := time.NewTicker(every)
		defer due.Stop()
		for i := 0; b.Loop(); i++ {
			begun := <-due.C // each has its time, however long those before it take
			wait.Go(func() {
				op := operation(func(op *opsv1alpha1.Operation) {
					op.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: fmt.Sprintf("bench-%03d", i%templates)}
					op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(`{"ttl":"24h"}`)}
				})
				err := who.Create(b.Context(), op, client.DryRunAll)
				mutex.Lock()
				defer mutex.Unlock()
				if took = append(took, time.Since(begun)); err != nil {
					b.Error(err)
				}
			})
		}
		wait.Wait()
		slices.Sort(took)
		for _, p := range []int{50, 95} {
			b.ReportMetric(float64(took[len(took)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
		}
	}
	b.Run("policies", create)
	b.Run("policies-and-webhooks", func(b *testing.B) {
		servedBy(b, hubSide, func(o *admission.Options) {
			o.Templates = []admission.Rule{admission.ValidTemplate}
			o.Operations = []admission.Rule{
				new(admission.Follows).Rule, admission.SoundClaim(client.ObjectKey{Namespace: hubSide.namespace, Name: opsv1alpha1.DefaultApprovalKeys}, clock.RealClock{}),
			}
		})
		create(b)
	})
}
