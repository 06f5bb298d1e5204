// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"vworkspace.io/fleet/e2e/bench/bed"
)

var warmUps atomic.Int32

// warmUp waits until an arm that was started takes work: a payload for one cluster is there, and is gone again.
func warmUp(ctx context.Context, b *bed.Bed, a Arm) error {
	run, err := a.Send(ctx, fmt.Sprintf("warm-up-%d", warmUps.Add(1)), 1)
	if err != nil {
		return err
	}
	crowd, err := b.Crowd(ctx, run.Children, run.Labels)
	if err != nil {
		return err
	}
	defer crowd.Stop()
	_, here := crowd.Await(ctx, 1)
	if err := errors.Join(here, run.Delete(ctx)); err != nil {
		return fmt.Errorf("%s does not take work: %w", a.Name(), err)
	}
	_, err = crowd.Await(ctx, 0)
	return err
}
