// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-analyze/charts"

	"vworkspace.io/fleet/e2e/bench/race"
)

// picture of one figure: a group of bars for every number of clusters, a bar for every arm.
type picture struct {
	file, title string
	digits      int
	figure      func(cell) float64
	floor       bool // is among the arms
}

// pictures of a document.
var pictures = []picture{
	{"fan-out.png", "Fan-out, as a multiple of the floor", 1, func(c cell) float64 { return c.toFloor().median }, true},
	{"lag.png", "Roll-up lag p99, seconds", 2, func(c cell) float64 { return c.of(func(r race.Round) float64 { return r.Lag99 }).median }, false},
	{"cpu.png", "Processor time per cluster, milliseconds", 1, func(c cell) float64 {
		return c.of(func(r race.Round) float64 { return 1000 * r.CPU / float64(r.N) }).median
	}, false},
	{"memory.png", "Memory at its peak, MiB", 0, func(c cell) float64 {
		return c.of(func(r race.Round) float64 { return float64(r.Peak) }).median / (1 << 20)
	}, false},
}

func (d *Document) plot(dir string) error {
	if len(d.Rounds) == 0 {
		return nil
	}
	for _, p := range pictures {
		raw, err := p.draw(d.cells())
		if err != nil {
			return fmt.Errorf("draw %s: %w", p.file, err)
		}
		if err := os.WriteFile(filepath.Join(dir, p.file), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (p picture) draw(cells []cell) ([]byte, error) {
	var names []string
	var sizes []int
	for _, c := range cells {
		if !slices.Contains(names, c.arm) && (p.floor || c.arm != floorArm) {
			names = append(names, c.arm)
		}
		if !slices.Contains(sizes, c.n) {
			sizes = append(sizes, c.n)
		}
	}
	values := make([][]float64, len(names))
	labels := make([]string, len(sizes))
	for i := range names {
		values[i] = make([]float64, len(sizes))
		for j, n := range sizes {
			values[i][j], labels[j] = charts.GetNullValue(), fmt.Sprintf("N = %d", n)
			if at := slices.IndexFunc(cells, func(c cell) bool { return c.arm == names[i] && c.n == n }); at >= 0 {
				values[i][j] = p.figure(cells[at])
			}
		}
	}
	option := charts.NewBarChartOptionWithData(values)
	option.Title.Text = p.title
	option.CategoryAxis.Labels = labels
	option.Legend.SeriesNames = names
	option.Legend.Offset.Top = "28"
	for i := range option.ValueAxis {
		option.ValueAxis[i].Min = charts.Ptr(0.0) // bars that begin elsewhere lie
	}
	for i := range option.SeriesList {
		option.SeriesList[i].Label.Show = charts.Ptr(true)
		option.SeriesList[i].Label.ValueFormatter = func(v float64) string { return fmt.Sprintf("%.*f", p.digits, v) }
	}
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputPNG, Width: 1100, Height: 420})
	if err := painter.BarChart(option); err != nil {
		return nil, err
	}
	return painter.Bytes()
}
