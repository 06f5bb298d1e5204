// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"vworkspace.io/fleet/e2e/bench/race"
)

// Markdown is the document as tables.
func (d *Document) Markdown() string {
	var b strings.Builder
	m := d.Machine
	fmt.Fprintf(&b, "Measured %s on %d x %s, %s of memory, Linux %s, %s, load before %.1f.\n",
		m.Date.Format("2006-01-02 15:04 MST"), m.CPUs, m.Model, size(float64(m.Memory)), m.Kernel, m.Go, m.Load)
	if len(d.Rounds) > 0 {
		d.race(&b)
	}
	if len(d.Failed) > 0 {
		b.WriteString("\nTurns that failed, of which nothing is in the table:\n\n")
	}
	for _, f := range d.Failed {
		fmt.Fprintf(&b, "- %s\n", strings.Join(strings.Fields(f.String()), " "))
	}
	if d.Restart != nil {
		b.WriteString("\n" + d.Restart.String())
	}
	if d.Crowd != nil {
		b.WriteString("\n" + d.Crowd.String())
	}
	if d.Latency != nil {
		b.WriteString("\n" + d.Latency.String())
	}
	return b.String()
}

func (d *Document) race(b *strings.Builder) {
	b.WriteString("\nMedians, with the least and the most in brackets. Seconds, unless another unit is given.\n\n" +
		"| N | arm | rounds | fan-out | x floor | roll-up lag p50 | p99 | deletion | CPU ms per cluster | writes per cluster | writes to the parent | parent | RSS cold | peak | idle |\n" +
		"|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range d.cells() {
		rolled := func(s string) string {
			if c.arm == floorArm {
				return "-"
			}
			return s
		}
		own := func(figure func(race.Round) float64, digits int) string { return rolled(plain(c.of(figure), digits)) }
		fmt.Fprintf(b, "| %d | %s | %d | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", c.n, c.arm, len(c.rounds),
			plain(c.of(func(r race.Round) float64 { return r.FanOut }), 2), plain(c.toFloor(), 2),
			own(func(r race.Round) float64 { return r.Lag50 }, 2), own(func(r race.Round) float64 { return r.Lag99 }, 2),
			plain(c.of(func(r race.Round) float64 { return r.Delete }), 2),
			own(func(r race.Round) float64 { return 1000 * r.CPU / float64(r.N) }, 2),
			plain(c.of(writesPerCluster), 2),
			own(func(r race.Round) float64 { return float64(r.ParentWrites) }, 0),
			rolled(size(c.of(func(r race.Round) float64 { return float64(r.ParentBytes) }).median)),
			rolled(size(c.of(func(r race.Round) float64 { return float64(r.Cold) }).median)),
			rolled(size(c.of(func(r race.Round) float64 { return float64(r.Peak) }).median)),
			rolled(size(c.of(func(r race.Round) float64 { return float64(r.Idle) }).median)))
	}
	b.WriteString("\n")
	for _, arm := range slices.Sorted(maps.Keys(d.Arms)) {
		if s := d.Slope(arm, 200, func(r race.Round) float64 { return r.CPU }); s != 0 {
			fmt.Fprintf(b, "- %s: CPU grows as N^%.2f from N = 200 on", arm, s)
			if d.Arms[arm] != "" {
				fmt.Fprintf(b, "; beyond the fan-out it does: %s", d.Arms[arm])
			}
			b.WriteString(".\n")
		} else if d.Arms[arm] != "" {
			fmt.Fprintf(b, "- %s, beyond the fan-out: %s.\n", arm, d.Arms[arm])
		}
	}
}

func plain(s spread, digits int) string {
	if s.least == s.most {
		return fmt.Sprintf("%.*f", digits, s.median)
	}
	return fmt.Sprintf("%.*f (%.*f-%.*f)", digits, s.median, digits, s.least, digits, s.most)
}

func size(bytes float64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", bytes/(1<<30))
	case bytes >= 10<<20:
		return fmt.Sprintf("%.0f MiB", bytes/(1<<20))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", bytes/(1<<20))
	default:
		return fmt.Sprintf("%.1f KiB", bytes/(1<<10))
	}
}
