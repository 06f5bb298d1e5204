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

// Run gives every arm as many turns as there are rounds, for every size, and every second round in the opposite order (ABBA), so that what drifts - the
// database that grows, the machine that gets warm - falls on all alike. What is finished is handed to done at once.
func Run(ctx context.Context, b *bed.Bed, racers []arms.Arm, sizes []int, rounds int, done func(Round) error) error {
	for _, n := range sizes {
		if err := b.Grow(ctx, n); err != nil {
			return err
		}
		for round := range rounds {
			order := slices.Clone(racers)
			if round%2 == 1 {
				slices.Reverse(order)
			}
			for _, arm := range order {
				begun := time.Now()
				r, err := Turn(ctx, b, arm, fmt.Sprintf("%s-%d-%d", arm.Name(), n, round), n)
				if err != nil {
					return err
				}
				b.Tell("%-14s N=%-6d fan-out %6.2f s  roll-up %5.2f s  deletion %6.2f s  cpu %6.2f s  (turn %s)",
					r.Arm, r.N, r.FanOut, r.RollUp, r.Delete, r.CPU, time.Since(begun).Round(time.Second))
				if err := done(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
