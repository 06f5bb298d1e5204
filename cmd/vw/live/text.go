// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	xansi "github.com/charmbracelet/x/ansi"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/safe"
	"vworkspace.io/fleet/placement"
)

// cut a line to a width, with an ellipsis where something is left out.
func cut(s string, width int) string {
	if width <= 0 {
		return ""
	}
	return xansi.Truncate(s, width, "…")
}

// pad a line to a width, or cut it.
func pad(s string, width int) string {
	s = cut(s, width)
	return s + strings.Repeat(" ", max(0, width-lipgloss.Width(s)))
}

// sides puts one text at the left and one at the right of a line. The right one gives way first.
func sides(left, right string, width int) string {
	gap := width - lipgloss.Width(left) - lipgloss.Width(right)
	if gap < 2 && left != "" {
		return cut(left, width)
	}
	gap = max(0, gap)
	return left + strings.Repeat(" ", gap) + right
}

// wrap a text into lines of a width.
func wrap(s string, width int) []string {
	return strings.Split(xansi.Wrap(s, max(1, width), ""), "\n")
}

// fill a line with parts that are divided by two spaces; parts that do not fit go to the next line.
func fill(parts []string, width int) (lines []string) {
	line := ""
	for _, part := range parts {
		switch {
		case part == "":
		case line == "":
			line = part
		case lipgloss.Width(line)+2+lipgloss.Width(part) <= width:
			line += "  " + part
		default:
			lines, line = append(lines, line), part
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	for i := range lines {
		lines[i] = cut(lines[i], width)
	}
	return lines
}

// short is a duration in at most two units, such as 3m12s or 2h05m.
func short(d time.Duration) string {
	d = max(0, d.Round(time.Second))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour && d%time.Minute == 0 && d > 10*time.Minute:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// clock is a time of day, with the date when it is another day than now.
func clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.YearDay() != now.YearDay() || t.Year() != now.Year() {
		return t.Format("2006-01-02 15:04:05")
	}
	return t.Format(time.TimeOnly)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// words of counts, such as 3 succeeded, 1 failed; those that are none are left out.
func words(c opsv1alpha1.Counts) string {
	var parts []string
	for _, l := range []struct {
		n    int32
		what string
	}{
		{c.Succeeded, "succeeded"}, {c.Failed, "failed"}, {c.Cancelled, "cancelled"}, {c.Skipped, "skipped"},
		{c.Running, "running"}, {c.Blocked, "blocked"}, {c.Pending, "pending"},
	} {
		if l.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", l.n, l.what))
		}
	}
	return strings.Join(parts, ", ")
}

// cause of how a cell stands: its reason, and what more is known. Where all is well the reason says nothing that the state does not.
func cause(r *placement.ClusterResult) string {
	reason, message := safe.Line(r.Reason), safe.Line(r.Message)
	well := r.State == placement.Succeeded || r.State == placement.Running && !r.Waiting
	switch {
	case well && (message != "" || reason == opsv1alpha1.ReasonExpanded):
		return message
	case reason == "":
		return message
	case message == "":
		return reason
	default:
		return reason + ": " + message
	}
}
