// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// TestNewsOfARunThatIsNotLoaded: a hub that comes up while the works of an Operation go hears of them before it knows the run.
func TestNewsOfARunThatIsNotLoaded(t *testing.T) {
	run := newRuns().of(&opsv1alpha1.Operation{})
	if run.lost(types.NamespacedName{Namespace: "c1"}, "deleted") || run.observe(workWith(running()), time.Now(), time.Now()) {
		t.Error("a run that is not loaded has changed")
	}
	if pause := run.pause(time.Now(), time.Second); pause != 0 {
		t.Errorf("a pass over a run that is not loaded waits %s", pause)
	}
}

// TestSoakIsNotCutShort: ends are kept in whole seconds, and none of them is before the hub has heard of it.
func TestSoakIsNotCutShort(t *testing.T) {
	run := newRuns().of(&opsv1alpha1.Operation{})
	run.begin(placement.Plan{Groups: []placement.Group{{Clusters: []string{"c1"}}}})
	work := workWith(succeeded(1))
	work.Namespace, work.Name = "c1", run.nameOf(0)
	heard := time.Date(2026, 11, 29, 12, 0, 0, 600_000_000, time.UTC)
	if !run.observe(work, heard, heard) {
		t.Fatal("not heard")
	}
	if r, _ := run.tally.Result("c1"); !r.EndedAt.Equal(heard.Truncate(time.Second).Add(time.Second)) {
		t.Errorf("heard at %s, ended at %s", heard, r.EndedAt)
	}
}
