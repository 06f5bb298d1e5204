// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"time"

	"vworkspace.io/fleet/cmd/vw/safe"
	"vworkspace.io/fleet/placement"
)

// details of the cell that was opened.
func (m *Model) details(now time.Time) []string {
	cell := m.named(m.opened)
	if cell == nil {
		return []string{m.opened + " is not there any more"}
	}
	l := lookOf(cell)
	lines := []string{sides(boldStyle.Render(m.snapshot.Unit()+" "+safe.Line(cell.Cluster)), l.style.Render(l.glyph+" "+l.word), m.width)}
	if reason := safe.Line(cell.Reason); reason != "" {
		lines = append(lines, cut("  "+l.style.Render(reason), m.width))
	}
	if message := safe.Line(cell.Message); message != "" {
		for _, line := range wrap(message, m.width-2) {
			lines = append(lines, "  "+line)
		}
	}
	lines = append(lines, "")
	for _, fact := range m.facts(cell, now) {
		for i, line := range wrap(fact.value, m.width-17) {
			name := fact.name
			if i > 0 {
				name = ""
			}
			lines = append(lines, cut("  "+dimStyle.Render(pad(name, 13))+"  "+line, m.width))
		}
	}
	lines = append(lines, "", "  go on with")
	for _, command := range m.commands(cell) {
		for _, line := range wrap(command, m.width-4) {
			lines = append(lines, "    "+keyStyle.Render(line))
		}
	}
	return lines
}

type fact struct{ name, value string }

func (m *Model) facts(cell *placement.ClusterResult, now time.Time) (facts []fact) {
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, fact{name, value})
		}
	}
	for _, g := range m.snapshot.Groups {
		for i := g.From; i < g.To; i++ {
			if m.snapshot.Cells[i].Cluster == cell.Cluster {
				add("group", g.Name)
			}
		}
	}
	if !cell.StartedAt.IsZero() {
		add("started", clock(cell.StartedAt, now)+", by its own clock")
	}
	if end := endOf(cell); !end.IsZero() {
		ended := clock(end, now)
		if !cell.StartedAt.IsZero() {
			ended += ", after " + short(end.Sub(cell.StartedAt))
		}
		add("ended", ended)
	}
	if n := cell.Instances.Total; n > 0 {
		add("instances", fmt.Sprintf("%d: %s", n, words(cell.Instances)))
	}
	if cell.Attempt > 0 {
		add("attempt", fmt.Sprintf("%d, after the first", cell.Attempt))
	}
	if m.snapshot.Object == nil {
		return facts
	}
	if key, known := m.snapshot.Object(cell.Cluster); known {
		kind := "ManifestWork"
		if m.snapshot.Spoke {
			kind = "Operation"
		}
		if cell.State == "" {
			add(kind, "none yet: it was not started")
		} else {
			add(kind, key.String())
		}
	}
	return facts
}

// commands that tell more of a cell.
func (m *Model) commands(cell *placement.ClusterResult) []string {
	op := m.snapshot.Operation
	which := " --cluster " + cell.Cluster
	if m.snapshot.Spoke {
		which = ""
		if op.Spec.Selector != nil {
			which = " --instance " + cell.Cluster
		}
	}
	return []string{
		fmt.Sprintf("%s describe op %s -n %s%s", m.options.Program, op.Name, op.Namespace, which),
		fmt.Sprintf("%s logs op %s -n %s%s", m.options.Program, op.Name, op.Namespace, which),
	}
}

// scrolled are the lines of a page that fit.
func (m *Model) scrolled(lines []string, room int) []string {
	m.pageRoom, m.pageLines = room, len(lines)
	m.pageTop = min(max(0, m.pageTop), max(0, len(lines)-room))
	return lines[m.pageTop:min(len(lines), m.pageTop+max(0, room))]
}

// keyPage says what the keys do, and what the glyphs mean.
func (m *Model) keyPage() []string {
	lines := []string{boldStyle.Render(cut("keys", m.width))}
	for _, k := range bindings {
		help := k.binding.Help()
		for i, line := range wrap(help.Desc, m.width-18) {
			name := help.Key
			if i > 0 {
				name = ""
			}
			lines = append(lines, cut("  "+keyStyle.Render(pad(name, 14))+"  "+line, m.width))
		}
	}
	lines = append(lines, "", boldStyle.Render(cut("cells", m.width)))
	for _, l := range []struct {
		*look
		means string
	}{
		{&lookPending, "not started"}, {&lookTold, "sent to the cluster, which has not begun"}, {&lookBlocked, "sent, and something keeps it from beginning"}, {&lookRunning, "runs"},
		{&lookWaiting, "runs, and waits for a precondition or a person"}, {&lookSucceeded, "did what was asked"}, {&lookFailed, "did not"},
		{&lookCancelled, "was stopped, or never begun"}, {&lookSkipped, "was left out"},
	} {
		lines = append(lines, cut("  "+l.style.Render(pad(l.glyph+" "+l.word, 14))+"  "+l.means, m.width))
	}
	return lines
}
