// SPDX-License-Identifier: Apache-2.0

package race

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vworkspace.io/fleet/e2e/bench/arms"
	"vworkspace.io/fleet/e2e/bench/bed"
)

// hopeless is after how many turns, all of which failed, an arm gets no more with that number of clusters.
const hopeless = 2

// Failed is a turn of which nothing was measured. Round counts from 1.
type Failed struct {
	Arm   string `json:"arm"`
	N     int    `json:"n"`
	Round int    `json:"round"`
	Error string `json:"error"`
}

// String names the turn, and says why.
func (f Failed) String() string {
	return fmt.Sprintf("%s with %d clusters, round %d: %s", f.Arm, f.N, f.Round, f.Error)
}

// Notes takes down a race. Both are called as soon as a turn is over; an error of theirs ends the race.
type Notes interface {
	Measured(Round) error
	Failed(Failed) error
}

// Track is what a race is run on.
type Track struct {
	// Grow makes clusters until there are n.
	Grow func(ctx context.Context, n int) error
	// Turn has an arm send one payload, which has a name, to n clusters.
	Turn func(ctx context.Context, arm arms.Arm, name string, n int) (Round, error)
	// Tell says how far it is.
	Tell func(format string, args ...any)
}

// On a bed, with Turn.
func On(b *bed.Bed) Track {
	return Track{Grow: b.Grow, Tell: b.Tell, Turn: func(ctx context.Context, arm arms.Arm, name string, n int) (Round, error) {
		return Turn(ctx, b, arm, name, n)
	}}
}

// Run gives every arm as many turns as there are rounds, for every size, and every second round in the opposite order (ABBA), so that what drifts - the
// database that grows, the machine that gets warm - falls on all alike.
//
// A turn that fails is noted, and the next arm has its turn; an arm whose first turns with a number of clusters have all failed gets no more with that number.
// Only the end of ctx, clusters that cannot be made, and Notes that cannot be taken end a race early.
func (t Track) Run(ctx context.Context, racers []arms.Arm, sizes []int, rounds int, notes Notes) error {
	for _, n := range sizes {
		if err := t.Grow(ctx, n); err != nil {
			return err
		}
		failed := map[string]int{} // of each arm's first turns
		for round := 1; round <= rounds; round++ {
			order := slices.Clone(racers)
			if round%2 == 0 {
				slices.Reverse(order)
			}
			for _, arm := range order {
				if failed[arm.Name()] == hopeless {
					continue
				}
				ok, err := t.turn(ctx, arm, n, round, notes)
				if err != nil {
					return err
				}
				if !ok && failed[arm.Name()] == round-1 {
					failed[arm.Name()] = round
				}
			}
		}
	}
	return nil
}

// turn of an arm, taken down. It tells whether anything was measured.
func (t Track) turn(ctx context.Context, arm arms.Arm, n, round int, notes Notes) (ok bool, err error) {
	begun := time.Now()
	r, err := t.Turn(ctx, arm, fmt.Sprintf("%s-%d-%d", arm.Name(), n, round), n)
	if err != nil && ctx.Err() != nil {
		return false, fmt.Errorf("%s with %d clusters: %w", arm.Name(), n, err)
	}
	if err != nil {
		f := Failed{Arm: arm.Name(), N: n, Round: round, Error: err.Error()}
		t.Tell("failed: %s (turn %s)", f, time.Since(begun).Round(time.Second))
		return false, notes.Failed(f)
	}
	r.Round = round
	t.Tell("%-14s N=%-6d fan-out %6.2f s  roll-up %5.2f s  deletion %6.2f s  cpu %6.2f s  (turn %s)",
		r.Arm, r.N, r.FanOut, r.RollUp, r.Delete, r.CPU, time.Since(begun).Round(time.Second))
	return true, notes.Measured(r)
}
