// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"testing"
	"time"
)

func TestJumping(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		j := &jumping{}
		before := j.Now()
		j.jump(by)
		after := j.Now()
		if wall := after.Round(0).Sub(before.Round(0)); wall < by || wall > by+time.Minute {
			t.Errorf("the wall clock was set by %s", wall)
		}
		if passed := after.Sub(before); passed < 0 || passed > time.Minute {
			t.Errorf("%s have passed", passed)
		}
	}
}
