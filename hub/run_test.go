// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
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
