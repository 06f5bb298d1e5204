// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"errors"
	"time"
)

const (
	// keepClosed is how long the records of closed jobs stay: as long as an idempotencyKey, or a generation, is remembered.
	keepClosed = 7 * 24 * time.Hour
	// mostClosed records of closed jobs stay, of all control planes together.
	mostClosed = 5000
	// sweepEvery so often they are looked through.
	sweepEvery = 10 * time.Minute
)

// sweepAlways removes the records that are not kept, while the hub leads.
func (j *Jobs) sweepAlways(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-j.Clock.After(sweepEvery):
		}
		if err := j.sweep(ctx); err != nil && ctx.Err() == nil {
			j.log.Error(err, "the records of closed jobs cannot be swept away")
		}
	}
}

// sweep removes the records of closed jobs that are too old, or too many.
func (j *Jobs) sweep(ctx context.Context) error {
	var errs []error
	for _, r := range j.ledger.surplus(j.Clock.Now(), keepClosed, mostClosed) {
		if err := j.store.remove(ctx, r); err != nil {
			errs = append(errs, err)
			continue
		}
		j.ledger.forget(r.name())
	}
	return errors.Join(errs...)
}
