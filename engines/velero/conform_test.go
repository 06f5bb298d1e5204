// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"path/filepath"
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

func TestConform(t *testing.T) {
	for _, name := range []string{"backup-plan-minimal", "backup-plan-everything", "restore-plan-minimal", "restore-plan-everything"} {
		t.Run(name, func(t *testing.T) {
			enginetest.Conform(t, func(t testing.TB) enginetest.Subject {
				folder := filepath.Join("testdata", name)
				return enginetest.Subject{
					Engine: New(""),
					Run: engines.Run{
						Cluster:   "cluster1",
						Operation: enginetest.ReadObjects(t, filepath.Join(folder, "operation.yaml"))[0].(*opsv1alpha1.Operation),
					},
					Live:      enginetest.ReadObjects(t, filepath.Join(folder, "live.yaml")),
					Artefacts: []string{kindBackup, kindRestore},
					Namespace: DefaultNamespace,
				}
			})
		})
	}
}
