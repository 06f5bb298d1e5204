// SPDX-License-Identifier: Apache-2.0

package live

import (
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"vworkspace.io/fleet/cmd/vw/follow"
)

// density is how much room a cell gets.
type density int

const (
	asLines  density = iota // a line each, with the cause
	asNames                 // glyph and name, side by side
	asGlyphs                // glyphs alone, apart
	asDots                  // glyphs side by side
)

const (
	// shortestName that any cluster has, with its glyph.
	shortestName = 6
	// longestName that is shown whole beside others.
	longestName = 28
	// screens of lines that a person is ready to scroll through.
	screens = 5
	// margin at the left of cells.
	margin = 2
)

// row of the grid: the head of a group, or cells.
type row struct {
	group    int
	from, to int // of grid.shown; none for the head
}

func (r row) head() bool { return r.from == r.to }

// grid is how the cells lie on the screen.
type grid struct {
	density density
	columns int
	width   int   // of a cell
	shown   []int // cells of the snapshot, without those that are filtered out
	rows    []row
	folded  []bool // groups that are a line
}

// lay the cells out: as roomy as they fit into a height. When not even glyphs fit, groups that are done are folded while the run goes on, and the rest scrolls.
// Those that were asked for are lines while a few screens hold them: who asks for them asks for the causes.
func lay(s *follow.Snapshot, shown []int, width, height int, asked bool) *grid {
	g := &grid{shown: shown, folded: make([]bool, len(s.Groups))}
	name := 0
	if len(shown) > height*max(screens, width/shortestName) { // so that there is no use in trying
		g.density = asGlyphs
	} else {
		for _, i := range shown {
			name = max(name, lipgloss.Width(s.Cells[i].Cluster))
		}
		name = min(name, longestName)
	}
	for ; ; g.density++ {
		switch g.density {
		case asLines:
			g.columns, g.width = 1, width-margin
		case asNames:
			g.width = name + 4
			g.columns = max(1, (width-margin)/g.width)
		case asGlyphs:
			g.width = 2
			g.columns = max(1, (width-margin)/g.width)
		case asDots:
			g.width, g.columns = 1, max(1, width-margin)
		}
		g.place(s)
		if len(g.rows) <= height || g.density == asDots || asked && len(g.rows) <= screens*height {
			break
		}
	}
	if len(g.rows) > height && !asked && !s.Ended() {
		g.fold(s)
		g.place(s)
	}
	return g
}

func (g *grid) fold(s *follow.Snapshot) {
	for i, group := range s.Groups {
		counts := follow.Count(s.Cells[group.From:group.To])
		g.folded[i] = counts.Done() == counts.Total
	}
}

// place the cells into rows.
func (g *grid) place(s *follow.Snapshot) {
	g.rows = g.rows[:0]
	at := 0
	for i, group := range s.Groups {
		from := at
		for at < len(g.shown) && g.shown[at] < group.To {
			at++
		}
		if from == at {
			continue
		}
		if titled(s) {
			g.rows = append(g.rows, row{group: i})
		}
		for ; !g.folded[i] && from < at; from += g.columns {
			g.rows = append(g.rows, row{group: i, from: from, to: min(from+g.columns, at)})
		}
	}
}

// titled tells whether groups have heads: one that is all there is and has no name needs none.
func titled(s *follow.Snapshot) bool { return len(s.Groups) > 1 || s.Groups[0].Name != "" }

// rowOf a shown cell, or -1 when it is folded away.
func (g *grid) rowOf(cell int) int {
	for i, r := range g.rows {
		if !r.head() && r.from <= cell && cell < r.to {
			return i
		}
	}
	return -1
}

// step from a shown cell to one that is so many rows and columns away, as far as there are.
func (g *grid) step(cell, rows, columns int) int {
	at := g.rowOf(cell)
	if at < 0 {
		return g.first()
	}
	if columns != 0 {
		to := min(max(0, cell+columns), len(g.shown)-1)
		for to != cell && g.rowOf(to) < 0 { // over what is folded
			to += columns
			if to < 0 || to >= len(g.shown) {
				return cell
			}
		}
		return to
	}
	column := cell - g.rows[at].from
	for ; rows != 0; at += sign(rows) {
		next := at + sign(rows)
		if next < 0 || next >= len(g.rows) {
			break
		}
		if r := g.rows[next]; !r.head() {
			rows -= sign(rows)
			cell = min(r.from+column, r.to-1)
		}
	}
	return cell
}

// first cell that is not folded away.
func (g *grid) first() int {
	for _, r := range g.rows {
		if !r.head() {
			return r.from
		}
	}
	return 0
}

// last cell that is not folded away.
func (g *grid) last() int {
	for _, r := range slices.Backward(g.rows) {
		if !r.head() {
			return r.to - 1
		}
	}
	return 0
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}

// draw the cells of a row, the selected one in reverse.
func (g *grid) draw(s *follow.Snapshot, r row, selected int, screen *screen) string {
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", margin))
	for i := r.from; i < r.to; i++ {
		cell := &s.Cells[g.shown[i]]
		look := lookOf(cell)
		switch g.density {
		case asLines:
			b.WriteString(screen.line(cell, look, g.width, i == selected))
		case asNames:
			b.WriteString(mark(look.style, i == selected).Render(pad(look.glyph+" "+cell.Cluster, g.width-2)) + "  ")
		case asGlyphs, asDots:
			b.WriteString(screen.glyph(look, i == selected) + strings.Repeat(" ", g.width-1))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

func mark(style lipgloss.Style, selected bool) lipgloss.Style {
	if selected {
		return style.Reverse(true)
	}
	return style
}
