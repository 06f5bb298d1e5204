// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestKeyIsNotOfThePast: a hub whose cache does not show what runs lets nothing of the same concurrencyKey begin beside it.
func TestKeyIsNotOfThePast(t *testing.T) {
	f := newFleet(t, 1)
	var past atomic.Bool
	f.funcs = interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		if _, asked := list.(*opsv1alpha1.OperationList); asked && past.Load() {
			return nil // there is none yet
		}
		return c.List(ctx, list, opts...)
	}}
	f.startHub()
	f.place("all", f.clusters...)
	nightly := func(op *opsv1alpha1.Operation) { op.Spec.ConcurrencyKey = "nightly" }
	first := f.operation("first", "all", nightly)
	f.awaitWorks(first, 1)
	past.Store(true)
	second := f.operation("second", "all", nightly)
	f.blockedFor(second, opsv1alpha1.ReasonConflictingOperation, "Operation first of the same spec.concurrencyKey goes first")
	past.Store(false)
	f.report(first, f.clusters[0], succeeded(1))
	f.awaitWorks(second, 1)
}
