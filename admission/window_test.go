// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/admission"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestSoundWindow: a window that makes no sense is refused in words that name the field, also when it comes later;
// and what was stored with one can still be cancelled.
func TestSoundWindow(t *testing.T) {
	window := func(schedule string) *opsv1alpha1.Window {
		return &opsv1alpha1.Window{Schedule: schedule, Duration: metav1.Duration{Duration: time.Hour}}
	}
	of := func(schedule string) func(*opsv1alpha1.Operation) {
		return func(op *opsv1alpha1.Operation) { op.Spec.MaintenanceWindow = window(schedule) }
	}
	const words = "spec.maintenanceWindow: Invalid value: schedule: never comes: no month of it has such a day"
	old := operation(of("0 0 30 2 *")) // stored while nobody was asked
	if err := alice(t).Create(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	servedBy(t, hubSide, func(o *admission.Options) { o.Operations = []admission.Rule{admission.SoundWindow} })
	refused(t, "created", alice(t).Create(t.Context(), operation(of("0 0 30 2 *"))), words, "canary")
	good := operation(of("0 22 * * *"))
	refused(t, "good", alice(t).Create(t.Context(), good), "", "")
	before := good.DeepCopy()
	good.Spec.MaintenanceWindow = window("0 0 30 2 *")
	refused(t, "changed", alice(t).Patch(t.Context(), good, client.MergeFrom(before)), words, "canary")
	before = old.DeepCopy()
	old.Spec.Cancel = true
	refused(t, "cancelled", alice(t).Patch(t.Context(), old, client.MergeFrom(before)), "", "")
}
