// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"path/filepath"
	"testing"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

// TestConform holds the engine to the laws wherever the version may be decided, and also where Flux has to be asked to try again.
func TestConform(t *testing.T) {
	for _, name := range []string{
		"managed-plan-version", "managed-plan-values", "managed-plan-oci", "managed-plan-keeps-earlier", "managed-plan-retry", "managed-plan-retry-oci",
		"adopted-plan-version", "adopted-plan-both", "adopted-plan-oci", "adopted-plan-retry",
		"managed-rollback-plan", "managed-rollback-plan-with-values", "adopted-rollback-plan",
		"adopted-rollback-plan-oci",
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.Conform(t, func(t testing.TB) enginetest.Subject {
				folder := filepath.Join("testdata", name)
				return enginetest.Subject{
					Engine: New(),
					Run: engines.Run{
						Cluster:   "cluster1",
						Operation: enginetest.ReadObjects(t, filepath.Join(folder, "operation.yaml"))[0].(*opsv1alpha1.Operation),
						Target:    enginetest.ReadObjects(t, filepath.Join(folder, "target.yaml"))[0].(*appsv1alpha1.ApplicationInstance),
					},
					Live: enginetest.ReadObjects(t, filepath.Join(folder, "live.yaml")),
				}
			})
		})
	}
}
