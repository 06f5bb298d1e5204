// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"slices"

	"vworkspace.io/fleet/e2e/bench/race"
)

// spread of a figure over the rounds.
type spread struct{ least, median, most float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{sorted[0], (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[n-1]}
}

// floorArm is the arm that others are measured against.
const floorArm = "floor"

// cell is all rounds of one arm with one number of clusters.
type cell struct {
	arm    string
	n      int
	rounds []race.Round
	floors map[int]race.Round // with the same number of clusters, by the round's number
}

// cells in the order in which they were first measured, the sizes growing.
func (d *Document) cells() []cell {
	var out []cell
	floors := map[int]map[int]race.Round{}
	for _, r := range d.Rounds {
		if r.Arm == floorArm {
			if floors[r.N] == nil {
				floors[r.N] = map[int]race.Round{}
			}
			floors[r.N][r.Round] = r
		}
		i := slices.IndexFunc(out, func(c cell) bool { return c.arm == r.Arm && c.n == r.N })
		if i < 0 {
			i, out = len(out), append(out, cell{arm: r.Arm, n: r.N})
		}
		out[i].rounds = append(out[i].rounds, r)
	}
	for i := range out {
		out[i].floors = floors[out[i].n]
	}
	slices.SortStableFunc(out, func(a, b cell) int { return a.n - b.n })
	return out
}

func (c cell) of(figure func(race.Round) float64) spread {
	values := make([]float64, len(c.rounds))
	for i, r := range c.rounds {
		values[i] = figure(r)
	}
	return spreadOf(values)
}

// toFloor is the fan-out as a multiple of the floor's, each by the floor of the same round; zero where no floor was measured.
func (c cell) toFloor() spread {
	var ratios []float64
	for _, r := range c.rounds {
		if floor := c.floors[r.Round].FanOut; floor > 0 {
			ratios = append(ratios, r.FanOut/floor)
		}
	}
	return spreadOf(ratios)
}

func writesPerCluster(r race.Round) float64 {
	sum := 0.0
	for _, n := range r.Writes {
		sum += n
	}
	return sum / float64(r.N)
}

// Slope is the exponent b of cost = a * N^b between the smallest and the largest N of an arm that are at least from: 1 is a cost per cluster that does not
// grow. Zero when there are not two sizes, or nothing was spent.
func (d *Document) Slope(arm string, from int, figure func(race.Round) float64) float64 {
	var first, last *cell
	for _, c := range d.cells() {
		if c.arm != arm || c.n < from {
			continue
		}
		if first == nil {
			first = &c
		}
		last = &c
	}
	if first == nil || first.n == last.n {
		return 0
	}
	less, more := first.of(figure).median, last.of(figure).median
	if less <= 0 || more <= 0 {
		return 0
	}
	return math.Log(more/less) / math.Log(float64(last.n)/float64(first.n))
}
