// SPDX-License-Identifier: Apache-2.0

package all

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestDefault(t *testing.T) {
	want := []opsv1alpha1.OperationEngine{
		opsv1alpha1.EngineHelm, opsv1alpha1.EngineHelmHookJob, opsv1alpha1.EngineJob,
		opsv1alpha1.EngineVelero, opsv1alpha1.EngineVolsync, opsv1alpha1.EngineWorkflow,
	}
	if diff := cmp.Diff(want, Default().Names()); diff != "" {
		t.Errorf("engines (-want +got):\n%s", diff)
	}
}
