// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"vworkspace.io/fleet/cmd/vw/safe"
)

// foot of the frame: the keys, or what a person is asked.
func (m *Model) foot() string {
	switch {
	case m.ask != nil:
		return warnStyle.Render(cut(m.ask.text+" y: yes, any other key: no", m.width))
	case m.finding:
		return cut(keyStyle.Render("/"+m.find)+"▏"+dimStyle.Render("  enter: keep, esc: show all"), m.width)
	case m.note != "":
		return warnStyle.Render(cut(m.note, m.width))
	}
	where := cut(m.where(), m.width)
	return sides(m.hints(m.width-2-lipgloss.Width(where)), where, m.width)
}

// about the selected cell, in a line; empty where its own line tells it.
func (m *Model) about(now time.Time) string {
	if m.page != pageCells || m.focus != focusCells || m.grid.density == asLines {
		return ""
	}
	cell := m.cell()
	if cell == nil {
		return ""
	}
	l := lookOf(cell)
	text := l.style.Render(l.glyph+" "+safe.Line(cell.Cluster)+" "+l.word) + " "
	if end := endOf(cell); !end.IsZero() {
		text += dimStyle.Render("at "+clock(end, now)) + " "
	}
	return cut(text+cause(cell), m.width)
}

// hints are the keys that a person needs first; as many as fit into a width.
func (m *Model) hints(width int) string {
	bindings := []struct{ key, what string }{{"q", "quit"}, {"?", "keys"}}
	switch {
	case m.page != pageCells:
		bindings = []struct{ key, what string }{{"esc", "back"}, {"q", "quit"}}
	case !m.snapshot.Ended():
		pause := "pause"
		if m.snapshot.Operation.Spec.Suspend {
			pause = "resume"
		}
		bindings = append(bindings, struct{ key, what string }{"enter", "open"}, struct{ key, what string }{"f", "filter"},
			struct{ key, what string }{"/", "find"}, struct{ key, what string }{"p", pause}, struct{ key, what string }{"c", "cancel"})
	default:
		bindings = append(bindings, struct{ key, what string }{"enter", "open"}, struct{ key, what string }{"f", "filter"}, struct{ key, what string }{"/", "find"})
	}
	line := ""
	for _, b := range bindings {
		next := keyStyle.Render(b.key) + " " + dimStyle.Render(b.what)
		if line != "" {
			next = line + "  " + next
		}
		if lipgloss.Width(next) > width {
			break
		}
		line = next
	}
	return line
}

// where a person is: what is sifted, and which part is on the screen.
func (m *Model) where() string {
	var parts []string
	if m.page == pageCells && (m.filter != filterAll || m.find != "") {
		parts = append(parts, warnStyle.Render(fmt.Sprintf("%s: %d of %d", m.asked(), len(m.shown), len(m.snapshot.Cells))))
	}
	top, room, lines := m.top, m.room, len(m.grid.rows)
	if m.page != pageCells {
		top, room, lines = m.pageTop, m.pageRoom, m.pageLines
	}
	if lines > room {
		parts = append(parts, dimStyle.Render(fmt.Sprintf("lines %d-%d of %d", top+1, min(top+room, lines), lines)))
	}
	return strings.Join(parts, "  ")
}
