// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"testing"
	"time"

	"vworkspace.io/fleet/e2e/kindfleet"
)

// idle tells what the platform takes while nobody asks for anything. The charts' requests come from figures such as these; nothing is asserted.
func idle(t *testing.T) {
	const during = 20 * time.Second
	begun := tellUsage(t)
	select {
	case <-t.Context().Done():
	case <-time.After(during):
	}
	for pid, u := range tellUsage(t) {
		if earlier, lived := begun[pid]; lived {
			t.Logf("%s: %.1f %% of one CPU while idle", u.Name, 100*(u.CPU-earlier.CPU).Seconds()/during.Seconds())
		}
	}
}

// tellUsage logs what every hub and agent takes, and returns it by their process IDs.
func tellUsage(t *testing.T) map[int]kindfleet.Usage {
	t.Helper()
	all, err := kindfleet.Usages()
	if err != nil {
		t.Fatal(err)
	}
	byPID := map[int]kindfleet.Usage{}
	for _, u := range all {
		t.Log(u)
		byPID[u.PID] = u
	}
	return byPID
}
