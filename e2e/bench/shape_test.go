// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"vworkspace.io/fleet/e2e/bench/arms"
	"vworkspace.io/fleet/e2e/bench/bed"
	"vworkspace.io/fleet/e2e/bench/race"
	"vworkspace.io/fleet/e2e/bench/scenario"
)

const (
	few, many = 40, 320
	// beside is what a run writes beside one work per cluster, whatever their number: the Operation and its finalizer, plan and results, and the steps of
	// its status that do not depend on time.
	beside = 14
	// biggest Operation, in bytes: the budget of DESIGN.md.
	biggest = 256 << 10
)

// TestShape is the short form of the benchmark. It counts, and knows no time but the seconds in which a status may be written once: what a run writes grows by
// one work per cluster and by nothing else, the Operation stays small also when every cluster fails with a long message, and a hub that has nothing to do
// asks for nothing and writes nothing.
func TestShape(t *testing.T) {
	b, err := bed.Up(t.Context(), os.Stderr, few, many)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Down(); err != nil {
			t.Error(err)
		}
	}()
	hub := chosen(arms.All(), []string{"ours"})[0]
	for _, n := range []int{few, many} {
		if err := b.Grow(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		r, err := race.Turn(t.Context(), b, failing{hub}, "shape", n)
		if err != nil {
			t.Fatal(err)
		}
		shape(t, r, int(time.Since(begun).Seconds()))
	}
	still(t, b, hub)
}

// failing is an arm whose clusters all fail, with a message as long as may be.
type failing struct{ arms.Arm }

func (f failing) Send(ctx context.Context, name string, n int) (*arms.Run, error) {
	run, err := f.Arm.Send(ctx, name, n)
	if err == nil {
		run.Report = arms.WorkFailed(strings.Repeat("x", 1024))
	}
	return run, err
}

// shape of one turn, which took so many seconds.
func shape(t *testing.T, r race.Round, seconds int) {
	t.Helper()
	t.Logf("N = %d: %v in %d s; the Operation has %d bytes after %d versions", r.N, r.Writes, seconds, r.ParentBytes, r.ParentWrites)
	rest := 0
	for resource, n := range r.Writes {
		if resource != "manifestworks" {
			rest += int(n)
		}
	}
	if works := int(r.Writes["manifestworks"]); works != r.N {
		t.Errorf("N = %d: %d writes of ManifestWorks, want one per cluster", r.N, works)
	}
	if rest > beside+seconds {
		t.Errorf("N = %d: %d writes beside the works in %d s, want at most %d and one a second: %v", r.N, rest, seconds, beside, r.Writes)
	}
	if r.ParentWrites > 10+seconds {
		t.Errorf("N = %d: the Operation was written %d times in %d s, want at most 10 and one a second", r.N, r.ParentWrites, seconds)
	}
	if r.ParentBytes > biggest {
		t.Errorf("N = %d: the Operation has %d bytes, want at most %d", r.N, r.ParentBytes, biggest)
	}
}

// still is a hub after a restart among finished works.
func still(t *testing.T, b *bed.Bed, hub arms.Arm) {
	t.Helper()
	r, err := scenario.MeasureRestart(t.Context(), b, hub, few, 15*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("idle for %.0f s: wrote %v, read %.0f times", r.Idle, r.IdleWrites, r.IdleReads)
	for resource, n := range r.IdleWrites {
		t.Errorf("a hub with nothing to do wrote %s %.0f times", resource, n)
	}
}
