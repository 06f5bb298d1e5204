// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"time"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// MaxBatch events are delivered at once.
const MaxBatch = 100

// Sink is told what happens.
type Sink interface {
	// Name is unique, and stays the same over restarts: controlplane/NAME or auditsink/NAME.
	Name() string
	// Wants tells whether an event is to be told to it. The answer depends on the event alone.
	Wants(*wire.Event) bool
	// Deliver a batch of at most MaxBatch events, those of one object in order. With an error, nothing counts as delivered, and the same is tried again after a
	// while; a RetryAfter error says after which.
	Deliver(ctx context.Context, events []wire.Event) error
}

// Flusher is a sink that may put off some of what it took. Nothing that has ended may be put off.
type Flusher interface {
	// Flush does what is due of it, and says after how long something will be; 0 when nothing is left. An error is one of Deliver.
	Flush(ctx context.Context) (again time.Duration, err error)
}
