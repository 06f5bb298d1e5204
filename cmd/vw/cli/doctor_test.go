// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/doctor"
)

// diagnosed is what a script reads.
func diagnosed(t *testing.T, args ...string) (doctor.Diagnosis, result) {
	t.Helper()
	got := vw(t, append([]string{"doctor", "-o", "json"}, args...)...)
	var d doctor.Diagnosis
	if err := json.Unmarshal([]byte(got.out), &d); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	return d, got
}

// levels that a check has come to.
func levels(d doctor.Diagnosis, check string) (found []doctor.Level) {
	for _, f := range d.Findings {
		if f.Check == check && !slices.Contains(found, f.Level) {
			found = append(found, f.Level)
		}
	}
	return found
}

// TestDoctorOnABareHub: the CRDs are there, and nothing else is.
func TestDoctorOnABareHub(t *testing.T) {
	d, got := diagnosed(t)
	if got.status != ExitNo || !d.Hub || !strings.Contains(got.errOut, "found what is broken") {
		t.Errorf("status %d, %s, hub %t", got.status, got.errOut, d.Hub)
	}
	for check, want := range map[string]doctor.Level{"server": doctor.OK, "crds": doctor.OK, "policies": doctor.Fail, "webhooks": doctor.Warn, "hub": doctor.Warn} {
		if !slices.Equal(levels(d, check), []doctor.Level{want}) {
			t.Errorf("%s is %v, want %s", check, levels(d, check), want)
		}
	}
	for _, f := range d.Findings {
		if (f.Level == doctor.Warn || f.Level == doctor.Fail) && f.Why == "" {
			t.Errorf("%+v says not why", f)
		}
	}
}

func TestDoctorOnly(t *testing.T) {
	ns := namespace(t)
	_ = created(t, ns, "left-alone", fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{})
	got := vw(t, "doctor", "--only", "operations", "-q")
	if got.status != ExitNo || !strings.Contains(got.out, "FAIL  operations  nobody has taken up: ") || !strings.Contains(got.out, "fix  is the hub") {
		t.Errorf("%+v", got)
	}
	if got := vw(t, "doctor", "--only", "server,crds"); got.status != ExitOK || !strings.Contains(got.out, "2 OK, 0 WARN, 0 FAIL, 0 SKIP") {
		t.Errorf("%+v", got)
	}
	if got := vw(t, "doctor", "--only", "webhooks"); got.status != ExitOK {
		t.Errorf("a WARN alone: %+v", got)
	}
	if got := vw(t, "doctor", "--only", "webhooks", "--strict"); got.status != ExitNo {
		t.Errorf("a WARN, strictly: %+v", got)
	}
	if got := vw(t, "doctor", "--only", "crsd"); got.status != ExitError || !strings.Contains(got.errOut, `--only: there is no check "crsd": it is one of server,`) {
		t.Errorf("%+v", got)
	}
	if got := vw(t, "doctor", "--only", "clusters", "--cluster", "no-such"); got.status != ExitNo || !strings.Contains(got.out, "there is no ManagedCluster no-such") {
		t.Errorf("%+v", got)
	}
	if got := vw(t, "doctor", "--server", "https://127.0.0.1:1"); got.status != ExitError || !strings.Contains(got.errOut, "is the cluster up") {
		t.Errorf("nobody there: %+v", got)
	}
}

// TestDoctorWithFewRights: whoever may do nothing is told what he may not see, and no check is broken by it.
func TestDoctorWithFewRights(t *testing.T) {
	d, got := diagnosed(t, "--as", "nobody")
	if got.status == ExitError {
		t.Fatalf("%+v", got)
	}
	for _, f := range d.Findings {
		if f.Check == "clock" {
			continue // the tests' is years ahead
		}
		if f.Level == doctor.Fail || strings.Contains(f.Message, "could not be looked at") {
			t.Errorf("%+v", f)
		}
	}
	if d.Counts.Skip < 8 || !slices.Contains(levels(d, "crds"), doctor.OK) {
		t.Errorf("%+v", d)
	}
}

// TestGetWithFewRights: a person who may read Operations and ConfigMaps of a namespace and nothing else sees where clusters stand, and what is missing.
func TestGetWithFewRights(t *testing.T) {
	ns := namespace(t)
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "reader"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"ops.vworkspace.io"}, Resources: []string{"operations"}, Verbs: []string{"get", "list"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}},
	}}
	if err := api.Create(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	if err := api.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "reader"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: "reader"}},
	}); err != nil {
		t.Fatal(err)
	}
	op := created(t, ns, "nightly", fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseRunning, StartedAt: at(time.Hour)})
	planned(t, op, group(ns+"-x"))
	deadline := time.Now().Add(10 * time.Second)
	for { // the authorizer learns of the role by a watch
		got := vw(t, "--as", "reader", "get", "op", "nightly", "--clusters", "-n", ns)
		if got.status == ExitOK && strings.Contains(got.out, ns+"-x") && strings.Contains(got.errOut, "Note: you may not list manifestworks") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", got)
		}
	}
}
