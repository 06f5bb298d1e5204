// SPDX-License-Identifier: Apache-2.0

package race

import (
	"slices"
	"testing"
	"time"

	"vworkspace.io/fleet/e2e/bench/bed"
)

// TestLags: every cluster lags until the first look that counts it, and a look that is ahead of a report lags by nothing.
func TestLags(t *testing.T) {
	begun := time.Now()
	after := func(seconds int) time.Time { return begun.Add(time.Duration(seconds) * time.Second) }
	said := []time.Time{after(1), after(2), after(3), after(10)}
	looks := []bed.Look{{At: after(0), Completed: 0}, {At: after(2), Completed: 1}, {At: after(5), Completed: 4}, {At: after(20), Completed: 4}}
	if got, want := lags(said, looks), []float64{0, 1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestQuantile(t *testing.T) {
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.99: 4, 1: 4} {
		if got := quantile([]float64{1, 2, 3, 4}, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
