// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"os"
	"time"
)

// parentEvery is how often WithParent looks whether the parent is still there.
const parentEvery = 500 * time.Millisecond

// WithParent ends the context when the parent process is gone: `go run` does not pass on that it was killed, and what it
// runs would go on with nobody to stop it.
func WithParent(ctx context.Context) (context.Context, context.CancelFunc) {
	parent := os.Getppid()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		ticker := time.NewTicker(parentEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if os.Getppid() != parent {
					cancel()
				}
			}
		}
	}()
	return ctx, cancel
}
