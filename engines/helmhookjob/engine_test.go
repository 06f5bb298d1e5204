// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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

func read(t testing.TB, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
