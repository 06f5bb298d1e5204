// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

func fleetSpec(t opsv1alpha1.OperationType) opsv1alpha1.OperationSpec {
	return opsv1alpha1.OperationSpec{
		Type: t, Selector: &opsv1alpha1.InstanceSelector{},
		Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}},
	}
}

// columns of a table, without those that depend on when the test runs, and without the spaces between.
func fields(out string) (rows [][]string) {
	for line := range strings.Lines(out) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

func TestGetOperations(t *testing.T) {
	ns := namespace(t)
	created(t, ns, "nightly", fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{
		Phase: opsv1alpha1.PhaseRunning, Reason: opsv1alpha1.ReasonRollingOut, StartedAt: at(time.Minute),
		Template: &opsv1alpha1.TemplateStatus{Name: "backup-velero"},
		Summary:  &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: 5, Succeeded: 2, Failed: 1, Running: 2}},
	})
	created(t, ns, "asked", fleetSpec(opsv1alpha1.TypeUpgrade), opsv1alpha1.OperationStatus{
		Phase: opsv1alpha1.PhasePending, Reason: opsv1alpha1.ReasonAwaitingApproval, Blocked: true,
	})
	for _, c := range []struct {
		args string
		want [][]string
	}{
		{"get op --sort-by name", [][]string{
			{"NAME", "TYPE", "TEMPLATE", "PHASE", "PROGRESS", "REASON", "AGE"},
			{"asked", "Upgrade", "-", "Pending", "-", "AwaitingApproval"},
			{"nightly", "Backup", "backup-velero", "Running", "3/5", "(1", "failed)", "RollingOut"},
		}},
		{"get --state blocked --no-headers", [][]string{{"asked", "Upgrade", "-", "Pending", "-", "AwaitingApproval"}}},
		{"get nightly --no-headers", [][]string{{"nightly", "Backup", "backup-velero", "Running", "3/5", "(1", "failed)", "RollingOut"}}},
		{"get op -o name --state running", [][]string{{"operation.ops.vworkspace.io/nightly"}}},
		{"get op nightly -o jsonpath={.status.summary.clusters.failed}", [][]string{{"1"}}},
		{"get op -A -l no=such", nil},
	} {
		got := vw(t, append(strings.Fields(c.args), "-n", ns)...)
		rows := fields(got.out)
		for i := range rows {
			if i < len(c.want) && len(rows[i]) == len(c.want[i])+1 {
				rows[i] = rows[i][:len(c.want[i])] // the age
			}
		}
		if diff := cmp.Diff(c.want, rows); diff != "" || got.status != ExitOK {
			t.Errorf("%s: %d %s\n%s", c.args, got.status, got.errOut, diff)
		}
	}
	if got := vw(t, "get", "op", "-n", ns, "-l", "no=such"); got.status != ExitOK || got.out != "" || got.errOut != "No operations found in namespace "+ns+".\n" {
		t.Errorf("%+v", got)
	}
}

func TestGetRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"get templates --of x":             "--of: it is for clusters: vw get clusters --of NAME",
		"get op --clusters":                "--clusters: it is for one Operation: vw get op NAME --clusters",
		"get op x --clusters -w":           "--watch: clusters of a run are watched by vw watch NAME",
		"get freezes --failed":             "--state: only Operations, and clusters of one, have states: vw get op, or vw get clusters --of NAME",
		"get op --state done":              `--state: "done" is not known: it is one of pending, blocked, running, succeeded, failed, cancelled, skipped`,
		"get op x -A":                      "--all-namespaces: a name is one of a namespace: leave out one of the two",
		"get op x -l a=b":                  "--selector: it chooses by labels and not by names: leave out one of the two",
		"get op --sort-by size":            `--sort-by: "size" is not known: it is one of age, duration, name, phase`,
		"get op -l a=b=c":                  "--selector: ",
		"get op -o xml":                    `--output: "xml" is not known: it is one of`,
		"get op no-such":                   `there is no Operation no-such in namespace `,
		"get clusters --of no-such":        `"no-such" not found`,
		"get clusters --of no-such -o xml": `--output: "xml" is not known: it is one of `,
	} {
		if got := vw(t, strings.Fields(args)...); got.status != ExitError || !strings.Contains(got.errOut, want) {
			t.Errorf("vw %s: %+v, want %s", args, got, want)
		}
	}
}

func TestGetOtherKinds(t *testing.T) {
	freeze := &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{GenerateName: "year-end-"}, Spec: opsv1alpha1.FreezeSpec{Reason: "closing-the-books"}}
	if err := api.Create(t.Context(), freeze); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Delete(context.Background(), freeze) }) // it holds everything, for other tests too
	for _, args := range [][]string{{"get", "freezes"}, {"get", "freeze", freeze.Name}} {
		got := vw(t, args...)
		if got.status != ExitOK || !strings.Contains(got.out, "REASON") || !strings.Contains(got.out, "closing-the-books") {
			t.Errorf("%v: %+v", args, got)
		}
	}
	for _, kind := range []string{"appinst", "templates", "placements", "controlplanes", "windows"} {
		if got := vw(t, "get", kind, "-A"); got.status != ExitOK {
			t.Errorf("%s: %+v", kind, got)
		}
	}
}

// TestGetClusters: a run with a cluster that failed, one that runs, and one whose turn has not come.
func TestGetClusters(t *testing.T) {
	ns := namespace(t)
	op := created(t, ns, "nightly", fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseRunning, StartedAt: at(time.Hour)})
	a, b, c := ns+"-a", ns+"-b", ns+"-c"
	planned(t, op, placement.Group{Name: "canary", Clusters: []string{a}}, placement.Group{Clusters: []string{b, c}})
	for cluster, values := range map[string][]any{
		a: {opsv1alpha1.PhaseFailed, "SomeFailed", "1 of 2 instances failed: shop: no space left on device", at(3 * time.Minute), at(time.Minute)},
		b: {opsv1alpha1.PhaseRunning, "Expanded", "", at(time.Minute), (*metav1.Time)(nil)},
	} {
		v := said(values[0].(opsv1alpha1.OperationPhase), values[1].(string), values[2].(string), values[3].(*metav1.Time), values[4].(*metav1.Time))
		if err := workWith(t.Context(), op, cluster, v); err != nil {
			t.Fatal(err)
		}
	}
	got := vw(t, "get", "op", "nightly", "--clusters", "-n", ns)
	want := fmt.Sprintf(`GROUP CLUSTER STATE REASON INSTANCES STARTED TOOK MESSAGE
canary %s failed SomeFailed 2/2 (1 failed) 3m 2m 1 of 2 instances failed: shop: no space left on device
1 %s running Expanded 1/2 60s 60s -
1 %s pending NotStarted - - - -
`, a, b, c)
	if diff := cmp.Diff(fields(want), fields(got.out)); diff != "" || got.status != ExitOK {
		t.Errorf("%d %s (-want +got):\n%s", got.status, got.errOut, diff)
	}
	got = vw(t, "get", "clusters", "--of", "nightly", "--failed", "-o", "json", "-n", ns)
	var doc struct {
		APIVersion, Kind string
		Clusters         []struct{ Group, Cluster, State, Work string }
	}
	if err := json.Unmarshal([]byte(got.out), &doc); err != nil {
		t.Fatal(err, got)
	}
	work := opsv1alpha1.RunName(op.Name, op.UID)
	if doc.APIVersion != documentVersion || doc.Kind != "RunClusters" || len(doc.Clusters) != 1 ||
		doc.Clusters[0] != (struct{ Group, Cluster, State, Work string }{"canary", a, "failed", work}) {
		t.Errorf("%+v", doc)
	}
	if got := vw(t, "get", "clusters", b, "--of", "nightly", "-n", ns); len(fields(got.out)) != 2 {
		t.Errorf("one cluster by name: %+v", got)
	}
}

func TestGetClustersBeforeThePlan(t *testing.T) {
	ns := namespace(t)
	created(t, ns, "early", fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{})
	got := vw(t, "get", "op", "early", "--clusters", "-n", ns)
	if got.status != ExitOK || !strings.Contains(got.errOut, "it has not been planned, so that it has no clusters yet") {
		t.Errorf("%+v", got)
	}
}
