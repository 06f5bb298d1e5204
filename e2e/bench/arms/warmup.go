// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"vworkspace.io/fleet/e2e/bench/bed"
)

// warmWithin bounds how long an arm that was started may take to bring one payload to one cluster and to take it back.
const warmWithin = 2 * time.Minute

var warmUps atomic.Int32

// warmUp waits until an arm that was started takes work: a payload for one cluster is there, and is gone again.
func warmUp(ctx context.Context, b *bed.Bed, a Arm) error {
	if err := bringOne(ctx, b, a); err != nil {
		return fmt.Errorf("%s does not take work: %w", a.Name(), err)
	}
	return nil
}

func bringOne(all context.Context, b *bed.Bed, a Arm) error {
	ctx, cancel := bed.Within(all, warmWithin)
	defer cancel()
	run, err := a.Send(ctx, fmt.Sprintf("warm-up-%d", warmUps.Add(1)), 1)
	if err != nil {
		return err
	}
	crowd, err := b.Crowd(ctx, run.Children, run.Labels)
	if err != nil {
		return err
	}
	defer crowd.Stop()
	if _, err := crowd.Await(ctx, 1); err != nil {
		// What has not come in time would come in somebody's turn.
		last, cancel := bed.Within(all, undoneWithin)
		defer cancel()
		return errors.Join(err, run.Delete(last))
	}
	if err := run.Delete(ctx); err != nil {
		return fmt.Errorf("take it back: %w", err)
	}
	if _, err := crowd.Await(ctx, 0); err != nil {
		return fmt.Errorf("take it back: %w", err)
	}
	return nil
}
