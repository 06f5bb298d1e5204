// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

func TestGolden(t *testing.T) { enginetest.Golden(t, New(), "testdata", records) }

// Every release of the cases has this in its values, and in the defaults of its chart, and no hook uses it.
const inValues = "hunter2"

func TestNothingOfTheValuesIsTold(t *testing.T) {
	releases, err := filepath.Glob("testdata/*/releases.yaml")
	if err != nil || len(releases) == 0 {
		t.Fatalf("no releases: %v", err)
	}
	for _, file := range releases {
		if !strings.Contains(read(t, file), inValues) {
			t.Errorf("%s: the release has no secret value, so that the case proves nothing", file)
		}
		for _, said := range []string{"plan.yaml", "outcome.yaml", "cancel.yaml"} {
			if strings.Contains(read(t, filepath.Join(filepath.Dir(file), said)), inValues) {
				t.Errorf("%s of %s tells a value of the chart", said, filepath.Dir(file))
			}
		}
	}
}

// TestSteps: the Jobs of all hooks of the event, in Helm's order, are known before the first one runs.
func TestSteps(t *testing.T) {
	folder := filepath.Join("testdata", "next")
	run := engines.Run{
		Cluster:   "cluster1",
		Operation: enginetest.ReadObjects(t, filepath.Join(folder, "operation.yaml"))[0].(*opsv1alpha1.Operation),
		Target:    enginetest.ReadObjects(t, filepath.Join(folder, "target.yaml"))[0].(*appsv1alpha1.ApplicationInstance),
	}
	live := append(enginetest.ReadObjects(t, filepath.Join(folder, "live.yaml")), records(t, folder)...)
	steps, err := New().Steps(t.Context(), enginetest.NewCluster(t, live...).Reader(), run)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, job := range steps {
		got = append(got, job.GetAnnotations()[annotationStep]+" "+job.GetLabels()[labelHook])
	}
	if want := []string{"1/3 shop-save", "2/3 shop-index", "3/3 shop-migrate"}; !slices.Equal(got, want) {
		t.Errorf("steps %v, want %v", got, want)
	}
}

func read(t testing.TB, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
