// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/duration"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/safe"
)

// Look is how something is written for people.
type Look struct {
	// Width of the terminal in columns; 0 wraps nothing.
	Width int
	// Color by state.
	Color bool
	// Now is the reader's time, for ages.
	Now time.Time
}

// marks and colours of states: a mark says the same as its colour.
var (
	marks   = map[State]string{OK: "✓", Waiting: "…", Broken: "✗", Unknown: "?"}
	colours = map[State]string{OK: "32", Waiting: "33", Broken: "31", Unknown: "90"}
)

// paint a text in the colour of a state.
func (l Look) paint(s State, text string) string {
	if !l.Color {
		return text
	}
	return "\x1b[" + colours[s] + "m" + text + "\x1b[0m"
}

// age of a time, or blanks.
func (l Look) age(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return duration.HumanDuration(max(l.Now.Sub(*t), 0))
}

// row of a tree.
type row struct {
	guide, below string // before the name, and before further lines of the same link
	name         string
	state        State
	phase, age   string
	message      string
}

// Write the chain as a tree, and where it stops.
func (c *Chain) Write(out io.Writer, l Look) error {
	var b strings.Builder
	writeRows(&b, l, c.rows(l))
	b.WriteString("\n")
	switch {
	case c.Stop != nil:
		word := "It stops at "
		if c.Stop.State == Waiting {
			word = "It waits at "
		}
		name := c.Links[c.Stop.Link].Name
		b.WriteString(l.paint(c.Stop.State, word+name) + "\n")
		paragraph(&b, l, "  ", c.Stop.Cause)
		if c.Stop.Suggestion != "" {
			paragraph(&b, l, "  To do: ", c.Stop.Suggestion)
		}
	default:
		b.WriteString(l.paint(OK, c.well()) + "\n")
	}
	for _, why := range c.Unseen {
		paragraph(&b, l, "Not seen: ", why)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// well says that nothing is in the way.
func (c *Chain) well() string {
	switch {
	case strings.EqualFold(c.Phase, string(opsv1alpha1.PhaseSucceeded)):
		return "It has succeeded."
	case c.Links[len(c.Links)-1].State == Unknown:
		return "Nothing is known to be in the way."
	}
	return "Nothing is in the way."
}

// rows of the tree.
func (c *Chain) rows(l Look) []row {
	rows := make([]row, len(c.Links))
	for i := range c.Links {
		k := &c.Links[i]
		rows[i] = row{name: k.Name, state: k.State, phase: k.Phase, message: head(safe.Line(k.Message))}
		if k.Since != nil {
			rows[i].age = l.age(&k.Since.Time)
		}
		rows[i].guide, rows[i].below = guides(c.Links, i)
	}
	return rows
}

// maxRow columns of a message are in the tree: each link quotes what lies below it. The stop, and -o json, have it whole.
const maxRow = 160

func head(s string) string {
	if r := []rune(s); len(r) > maxRow {
		return string(r[:maxRow-1]) + "…"
	}
	return s
}

// guides are the lines that tie a link to the tree.
func guides(links []Link, i int) (guide, below string) {
	for depth := 1; depth <= links[i].Depth; depth++ {
		more := false
		for _, k := range links[i+1:] {
			if k.Depth < depth {
				break
			}
			if k.Depth == depth {
				more = true
				break
			}
		}
		last := depth == links[i].Depth
		switch {
		case last && more:
			guide, below = guide+"├─ ", below+"│  "
		case last:
			guide, below = guide+"└─ ", below+"   "
		case more:
			guide, below = guide+"│  ", below+"│  "
		default:
			guide, below = guide+"   ", below+"   "
		}
	}
	if i+1 < len(links) && links[i+1].Depth > links[i].Depth {
		below += "│  "
	} else {
		below += "   "
	}
	return guide, below
}

// gap between columns.
const gap = "  "

func writeRows(b *strings.Builder, l Look, rows []row) {
	names, phases, ages := 0, 0, 0
	for _, r := range rows {
		names = max(names, runes(r.guide)+runes(r.name))
		phases, ages = max(phases, runes(r.phase)+2), max(ages, len(r.age))
	}
	if l.Width > 0 {
		names = min(names, max(20, l.Width-phases-ages-2*len(gap)))
	}
	for _, r := range rows {
		left := pad(cut(r.guide+r.name, names), names) + gap
		line := left + l.paint(r.state, pad(marks[r.state]+" "+r.phase, phases)) + gap + pad(r.age, ages)
		used := names + phases + ages + 2*len(gap)
		if r.message != "" && (l.Width == 0 || used+len(gap)+runes(r.message) <= l.Width) {
			line += gap + r.message
			r.message = ""
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		if r.message != "" {
			paragraph(b, l, r.below, r.message)
		}
	}
}

// paragraph of a text, each line of which begins with an indent as wide as first.
func paragraph(b *strings.Builder, l Look, first, text string) {
	indent := first
	if strings.TrimSpace(strings.Trim(first, "│ ")) != "" {
		indent = strings.Repeat(" ", runes(first))
	}
	lines := []string{safe.Line(text)}
	if l.Width > 0 {
		lines = wrap(safe.Line(text), max(20, l.Width-runes(first)))
	}
	for i, line := range lines {
		if i == 0 {
			b.WriteString(first + line + "\n")
			continue
		}
		b.WriteString(indent + line + "\n")
	}
}

// wrap a text at blanks. A word that is longer than a line is left whole, so that it can be copied.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case runes(line)+1+runes(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

func runes(s string) int { return utf8.RuneCountInString(s) }

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-runes(s)))
}

// cut the middle out of a name that is too long: both ends of it tell.
func cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	first := (width - 1) * 2 / 3
	return string(r[:first]) + "…" + string(r[len(r)-(width-1-first):])
}

// counted are counts for people: "12/40 done, 1 failed, 3 running".
func counted(c *opsv1alpha1.Counts) string {
	text := fmt.Sprintf("%d/%d done", c.Done(), c.Total)
	for _, part := range []struct {
		n    int32
		what string
	}{
		{c.Succeeded, "succeeded"}, {c.Failed, "failed"}, {c.Running, "running"}, {c.Blocked, "blocked"}, {c.Pending, "pending"},
		{c.Cancelled, "cancelled"}, {c.Skipped, "skipped"},
	} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return text
}
