// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"sync/atomic"
	"time"
	"unsafe"

	"k8s.io/utils/clock"
)

// jumping is a clock whose wall time is set forth and back while its monotonic time goes on, as that of a machine is.
type jumping struct {
	clock.RealClock
	by atomic.Int64 // seconds
}

func (j *jumping) jump(by time.Duration) { j.by.Add(int64(by / time.Second)) }

// Now implements clock.PassiveClock. There is no way to set the wall time alone but by the layout of a time.Time: a bit that says that there is a
// monotonic reading, 33 bits of seconds, and 30 of nanoseconds (package time).
func (j *jumping) Now() time.Time {
	t := time.Now()
	wall := (*uint64)(unsafe.Pointer(&t)) //nolint:gosec // what clock_settime does cannot be done otherwise
	*wall += uint64(j.by.Load()) << 30
	return t
}

// Since implements clock.PassiveClock.
func (j *jumping) Since(t time.Time) time.Duration { return j.Now().Sub(t) }
