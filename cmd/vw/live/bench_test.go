// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"testing"

	tea "charm.land/bubbletea/v2"

	"vworkspace.io/fleet/cmd/vw/live/simulated"
)

// BenchmarkFrame is what news cost: taking them in, laying the cells out, and drawing a frame of a terminal of 120 by 40.
func BenchmarkFrame(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := simulated.Fleet(n, 0.6)
			m := NewModel(b.Context(), &simulated.Source{Shown: s}, Options{Program: "vw", Now: now})
			m.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
			for b.Loop() {
				m.Update(news(s))
				m.Lines()
			}
		})
	}
}
