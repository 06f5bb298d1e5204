// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"testing"

	"vworkspace.io/fleet/cmd/vw/doctor"
)

// diagnosis of a cluster, as a script reads it.
func diagnosis(t *testing.T, kubeconfig string, args ...string) (doctor.Diagnosis, result) {
	t.Helper()
	got := call(t, kubeconfig, append([]string{"doctor", "-o", "json"}, args...)...)
	var d doctor.Diagnosis
	if err := json.Unmarshal([]byte(got.out), &d); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	return d, got
}

// TestDoctorWell: nothing is broken in a fleet that is well, on the hub and on a cluster.
func TestDoctorWell(t *testing.T) {
	for name, kubeconfig := range map[string]string{"hub": fleet.Fleet.Hub.KubeconfigPath, "cluster": fleet.Fleet.Spokes[0].KubeconfigPath} {
		d, got := diagnosis(t, kubeconfig)
		t.Logf("vw doctor, %s:\n%s", name, call(t, kubeconfig, "doctor").out)
		if got.status != 0 || d.Counts.Fail > 0 || d.Counts.OK < 8 || d.Hub != (name == "hub") || d.Spoke == d.Hub {
			t.Errorf("%s: status %d, %+v", name, got.status, d)
		}
	}
}
