// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"path/filepath"
	"testing"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

// TestConform holds the engine to the laws for a hook by name, for several by event, and for a Pod.
func TestConform(t *testing.T) {
	for _, name := range []string{"plan-hook", "plan-event", "plan-pod"} {
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
					Live: append(enginetest.ReadObjects(t, filepath.Join(folder, "live.yaml")), records(t, folder)...),
				}
			})
		})
	}
}
