// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"vworkspace.io/fleet/cmd/vw/safe"
	"vworkspace.io/fleet/placement"
)

// screen is what cells are drawn with.
type screen struct {
	glyphs map[*look][2]string // as it is, and selected
	name   int                 // width of the names where cells are lines
	counts int                 // width of the instances there
	now    time.Time
}

func newScreen() *screen { return &screen{glyphs: map[*look][2]string{}} }

// glyph of a look. They are rendered once: a frame may have thousands.
func (s *screen) glyph(l *look, selected bool) string {
	drawn, known := s.glyphs[l]
	if !known {
		drawn = [2]string{l.style.Render(l.glyph), mark(l.style, true).Render(l.glyph)}
		s.glyphs[l] = drawn
	}
	if selected {
		return drawn[1]
	}
	return drawn[0]
}

// line of a cell: glyph, name, state, how long it takes, and the cause.
func (s *screen) line(cell *placement.ClusterResult, l *look, width int, selected bool) string {
	name := mark(l.style, selected).Render(pad(l.glyph+" "+safe.Line(cell.Cluster), min(s.name+2, max(8, width/2))))
	took := ""
	switch end := endOf(cell); {
	case cell.StartedAt.IsZero():
	case !end.IsZero():
		took = short(end.Sub(cell.StartedAt))
	case cell.State == placement.Running:
		took = short(s.now.Sub(cell.StartedAt))
	}
	line := name + "  " + l.style.Render(pad(l.word, len(lookSucceeded.word))) + "  "
	if width >= 60 {
		line += pad(took, 7)
		if s.counts > 0 {
			line += dimStyle.Render(pad(instances(cell), s.counts)) + "  "
		}
	}
	if text := cause(cell); text != "" {
		line += text
	}
	return cut(line, width)
}

// instances of a cluster, and how many of them are done.
func instances(cell *placement.ClusterResult) string {
	if cell.Instances.Total == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%s", cell.Instances.Done(), plural(int(cell.Instances.Total), "instance"))
}

// View implements tea.Model.
func (m *Model) View() tea.View {
	v := tea.NewView(strings.Join(m.Lines(), "\n"))
	v.AltScreen = true
	return v
}

// Lines of the frame, as many as the terminal has, none of them wider.
func (m *Model) Lines() []string {
	now := m.options.Now()
	m.screen.now = now
	var lines []string
	if m.page != pageKeys {
		lines = header(&m.snapshot, now, m.width, m.height)
	}
	if m.height >= low && m.page != pageKeys {
		lines = append(lines, "")
	}
	feet := 1
	if m.height >= low {
		feet = 3
	}
	room := m.height - len(lines) - feet
	switch m.page {
	case pageCell:
		lines = append(lines, m.scrolled(m.details(now), room)...)
	case pageKeys:
		lines = append(lines, m.scrolled(m.keyPage(), room)...)
	case pageCells:
		lines = append(lines, m.body(room, now)...)
	}
	lines = lines[:min(len(lines), max(0, m.height-feet))]
	for len(lines)+feet < m.height {
		lines = append(lines, "")
	}
	if feet > 1 {
		lines = append(lines, "", m.about(now))
	}
	return append(lines, m.foot())
}

// body of the frame: the cells, and below them what failed.
func (m *Model) body(room int, now time.Time) []string {
	below := 0
	if n := len(m.failures.list); n > 0 && m.height >= low && m.filter != filterFailed { // or the cells tell it
		below = 2 + min(n, max(3, room/4))
	}
	m.layOut(max(1, room-below))
	lines := m.cells(now)
	if below > 0 {
		head := fmt.Sprintf("failures (%d)", len(m.failures.list))
		if m.focus == focusFailures {
			head = mark(boldStyle, true).Render(cut(head, m.width))
		} else {
			head = boldStyle.Render(cut(head, m.width))
		}
		lines = append(lines, "", head)
		lines = append(lines, m.failures.draw(room-len(lines), m.width, now, m.focus == focusFailures)...)
	}
	return lines
}

// layOut the grid for so many rows, if it is not laid so.
func (m *Model) layOut(room int) {
	if m.dirty || room != m.room || m.grid == nil {
		m.dirty, m.room = false, room
		m.grid = lay(&m.snapshot, m.shown, m.width, room, m.filter != filterAll || m.find != "")
	}
	m.screen.name, m.screen.counts = 0, 0
	if m.grid.density == asLines {
		for _, i := range m.shown {
			cell := &m.snapshot.Cells[i]
			m.screen.name, m.screen.counts = max(m.screen.name, lipgloss.Width(cell.Cluster)), max(m.screen.counts, len(instances(cell)))
		}
	}
}

// cells that are on the screen.
func (m *Model) cells(now time.Time) (lines []string) {
	if len(m.shown) == 0 {
		if len(m.snapshot.Cells) == 0 {
			return nil
		}
		return []string{dimStyle.Render(cut(fmt.Sprintf("no %s is %s", m.snapshot.Unit(), m.asked()), m.width))}
	}
	at := m.at()
	m.scroll(m.grid.rowOf(at))
	for n, r := range m.grid.rows[m.top:min(m.top+m.room, len(m.grid.rows))] {
		if r.head() || n == 0 && m.room >= sticky && titled(&m.snapshot) {
			lines = append(lines, title(&m.snapshot, r.group, now, m.width))
			continue
		}
		selected := at
		if m.focus != focusCells {
			selected = -1
		}
		lines = append(lines, m.grid.draw(&m.snapshot, r, selected, m.screen))
	}
	return lines
}

// sticky is from how many rows on the head of a group stays at the top while its cells scroll below it.
const sticky = 3

// scroll so that a row is on the screen, with the heads above it; and with some of what comes next, while nobody has moved.
func (m *Model) scroll(row int) {
	rows := len(m.grid.rows)
	if m.selected == "" {
		m.top = max(m.top, min(row+m.room/3, rows-1)-m.room+1)
	}
	m.top = min(m.top, max(0, row-1)) // which the head of the group may cover
	for up := row - 1; up >= 0 && m.grid.rows[up].head(); up-- {
		m.top = min(m.top, up)
	}
	m.top = min(max(m.top, row-m.room+1, 0), max(0, rows-m.room))
}

// asked is what cells are sifted by, for people.
func (m *Model) asked() string {
	switch {
	case m.find == "":
		return m.filter.String()
	case m.filter == filterAll:
		return fmt.Sprintf("named like %q", m.find)
	default:
		return fmt.Sprintf("%s and named like %q", m.filter, m.find)
	}
}
