// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"math/rand/v2"
	"time"
)

// Bounds of a Backoff.
const (
	minBackoff = time.Second
	maxBackoff = 5 * time.Minute
)

// Backoff says how long to wait before the next try. Its zero value is ready; it is not safe for concurrent use.
type Backoff struct {
	failures int
}

// After a failure: twice as long as after the one before it, from 1 s up to 5 min, with up to half of that on top so that many hubs don't come at once; and never
// before the other side wants to be asked again.
func (b *Backoff) After(err error) time.Duration {
	delay := maxBackoff
	if b.failures < 9 {
		delay = min(minBackoff<<b.failures, maxBackoff)
	}
	b.failures++
	delay = min(delay+rand.N(delay/2), maxBackoff)
	return max(delay, RetryAfter(err))
}

// Reset after a success.
func (b *Backoff) Reset() { b.failures = 0 }
