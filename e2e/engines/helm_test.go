// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// helmRig: Flux's source-controller and helm-controller. A hook of the chart decides how long an upgrade takes and how it ends.
var helmRig = rig{
	engine:   opsv1alpha1.EngineHelm,
	succeeds: func(t testing.TB) *opsv1alpha1.Operation { return upgrade(t, nil) },
	fails: func(t testing.TB) *opsv1alpha1.Operation {
		return upgrade(t, map[string]any{"upgradeOutcome": "fail"})
	},
	failReason: "HelmRolledBack",
	hangs: func(t testing.TB) *opsv1alpha1.Operation {
		return upgrade(t, map[string]any{"upgradeTakes": "1h"})
	},
	slow: func(t testing.TB) (*opsv1alpha1.Operation, func()) {
		return upgrade(t, map[string]any{"upgradeTakes": "6s"}), func() {}
	},
	begun:        opsv1alpha1.ReasonEngineRunning,
	controller:   "helm-controller",
	afterRestart: opsv1alpha1.PhaseSucceeded,
	group:        "helm.toolkit.fluxcd.io",
}

func upgrade(t testing.TB, values map[string]any) *opsv1alpha1.Operation {
	t.Helper()
	return operation(t, release(t, opsv1alpha1.EngineHelm, values), opsv1alpha1.TypeUpgrade, opsv1alpha1.EngineHelm, map[string]any{"targetVersion": "1.1.0"})
}
