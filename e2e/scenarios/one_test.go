// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestFleetOfOne: an Operation on the hub that names an instance of the hub runs on that instance's cluster, and nowhere else.
func TestFleetOfOne(t *testing.T) {
	op := fleetOperation("fleet-of-one", func(s *opsv1alpha1.OperationSpec) {
		s.Placement, s.Selector = nil, nil
		s.TargetRef = &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "shop-spoke2-b"}
	}, command(0))
	create(t, op)
	ended(t, op, opsv1alpha1.PhaseSucceeded)
	all := jobs(t.Context(), t, op)
	if len(all) != 1 || len(all["spoke2/shop-spoke2-b"]) != 1 {
		t.Errorf("it ran on %v, want one Job on spoke2/shop-spoke2-b", all)
	}
}
