// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"fmt"
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// listening has an AuditSink as long as the test goes on.
func listening(f *fleet) {
	f.t.Helper()
	f.has(&opsv1alpha1.AuditSink{ObjectMeta: metav1.ObjectMeta{Name: "listens-" + f.ns}, Spec: opsv1alpha1.AuditSinkSpec{
		CloudEvents: &opsv1alpha1.CloudEventsSink{Endpoint: "https://broker.example.com"},
	}})
}

// held tells whether an Operation is.
func (f *fleet) held(op *opsv1alpha1.Operation) bool {
	return slices.Contains(f.get(op).Finalizers, opsv1alpha1.ReportFinalizer)
}

// TestHold: where somebody listens, no word of a status is written before the Operation is held; it stays, however it ends and whoever deletes it, until it is let go.
func TestHold(t *testing.T) {
	f := newFleet(t, 1)
	f.options.Reports = true
	listening(f)
	f.place("all", f.clusters...)
	f.startHub()
	op := f.operation("backup", "all")
	bad := f.operation("bad", "all", func(op *opsv1alpha1.Operation) { op.Spec.DryRun = true; op.Spec.Suspend = true })
	for _, o := range []*opsv1alpha1.Operation{op, bad} {
		f.eventually("a status of "+o.Name, func() (string, error) {
			got := f.get(o)
			if got.Status.Phase != "" && !slices.Contains(got.Finalizers, opsv1alpha1.ReportFinalizer) {
				t.Fatalf("%s has the status %+v, and is not held: %v", o.Name, got.Status, got.Finalizers)
			}
			if got.Status.Phase == "" {
				return "it has none", nil
			}
			return "", nil
		})
	}
	f.awaitWorks(op, 1)
	f.report(op, f.clusters[0], succeeded(1))
	f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	f.must(api.Delete(f.ctx, op))
	f.eventually("the hub to have let go of it", func() (string, error) {
		return differs(fmt.Sprint(f.get(op).Finalizers), fmt.Sprint([]string{opsv1alpha1.ReportFinalizer})), nil
	})
	f.letGo(op)
	f.eventually("the end", func() (string, error) {
		err := api.Get(f.ctx, client.ObjectKeyFromObject(op), &opsv1alpha1.Operation{})
		return differs(fmt.Sprint(err != nil), "true"), client.IgnoreNotFound(err)
	})
}

// letGo does what hub/odoo/stream does when all has been told.
func (f *fleet) letGo(op *opsv1alpha1.Operation) {
	f.t.Helper()
	got := f.get(op)
	before := got.DeepCopy()
	controllerutil.RemoveFinalizer(got, opsv1alpha1.ReportFinalizer)
	f.must(api.Patch(f.ctx, got, client.MergeFrom(before)))
}

// TestHoldsNothingUnheard: where nobody listens, or nobody is told any more, no Operation waits for it.
func TestHoldsNothingUnheard(t *testing.T) {
	f := newFleet(t, 1)
	f.options.Reports = true
	f.place("all", f.clusters...)
	stop := f.startHub()
	unheard := f.operation("unheard", "all")
	f.awaitWorks(unheard, 1)
	if f.held(unheard) {
		t.Error("it is held, and nobody listens")
	}
	listening(f)
	op := f.operation("backup", "all")
	f.awaitWorks(op, 1)
	f.eventually("it is held", func() (string, error) { return differs(fmt.Sprint(f.held(op)), "true"), nil })
	stop()
	f.options.Reports = false
	f.startHub()
	f.must(api.Delete(f.ctx, op))
	f.report(op, f.clusters[0], succeeded(1))
	for _, w := range f.works(op) {
		f.agentDeletes(&w)
	}
	f.eventually("the end", func() (string, error) {
		err := api.Get(f.ctx, client.ObjectKeyFromObject(op), &opsv1alpha1.Operation{})
		return differs(fmt.Sprint(err != nil), "true"), client.IgnoreNotFound(err)
	})
}
