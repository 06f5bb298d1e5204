// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// TestKillHub: kill -9 of the hub in the middle of a run changes nothing about how it ends, and nothing runs twice.
func TestKillHub(t *testing.T) {
	killInTheMiddle(t, "kill-hub", fleet.Installed.Hub)
}

// TestKillAgent: the same for a spoke's agent.
func TestKillAgent(t *testing.T) {
	killInTheMiddle(t, "kill-agent", fleet.Installed.Agents["spoke1"])
}

func killInTheMiddle(t *testing.T, name string, victim *testbed.Process) {
	op := fleetOperation(name, nil, command(4*time.Second))
	create(t, op)
	eventually(t, "the first Job to run", func(ctx context.Context) (bool, string) {
		n := 0
		for _, made := range jobs(ctx, t, op) {
			n += len(made)
		}
		return n > 0, fmt.Sprintf("%d jobs", n)
	})
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := victim.Restart(); err != nil {
		t.Fatal(err)
	}
	ended(t, op, opsv1alpha1.PhaseSucceeded)
	if c := op.Status.Summary.Clusters; c.Succeeded != clusters {
		t.Errorf("%d clusters succeeded, want %d", c.Succeeded, clusters)
	}
	onePerCluster(t, op)
	oneJobPerInstance(t, op)
}
