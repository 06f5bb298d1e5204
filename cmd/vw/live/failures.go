// SPDX-License-Identifier: Apache-2.0

package live

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/safe"
	"vworkspace.io/fleet/placement"
)

// failure that was seen.
type failure struct {
	at   time.Time // when it was seen, or when it came about if it was there before
	cell placement.ClusterResult
}

// failures of a run, the newest first.
type failures struct {
	seen    map[string]time.Time // by cell
	begun   bool
	list    []failure
	at, top int // selected, and the first on the screen
}

func newFailures() failures { return failures{seen: map[string]time.Time{}} }

// take up what failed. A cell that is tried again has not failed any more.
func (f *failures) take(s *follow.Snapshot, now time.Time) {
	selected := f.selected()
	f.list = f.list[:0]
	for i := range s.Cells {
		cell := &s.Cells[i]
		if cell.State != placement.Failed {
			if len(f.seen) > 0 {
				delete(f.seen, cell.Cluster)
			}
			continue
		}
		at, known := f.seen[cell.Cluster]
		if !known {
			at = now
			if ended := endOf(cell); !ended.IsZero() && (!f.begun || s.Reading) {
				at = ended
			}
			f.seen[cell.Cluster] = at
		}
		f.list = append(f.list, failure{at, *cell})
	}
	slices.SortStableFunc(f.list, func(a, b failure) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.cell.Cluster, b.cell.Cluster)) })
	f.begun = true
	if f.at > 0 {
		f.at = max(0, slices.IndexFunc(f.list, func(x failure) bool { return x.cell.Cluster == selected }))
	}
}

func (f *failures) selected() string {
	if f.at < len(f.list) {
		return f.list[f.at].cell.Cluster
	}
	return ""
}

func (f *failures) move(n int) { f.at = min(max(0, f.at+n), max(0, len(f.list)-1)) }

// draw the failures in so many lines, each on as many as there is room for, and on three at most.
func (f *failures) draw(room, width int, now time.Time, focused bool) (lines []string) {
	if len(f.list) == 0 || room <= 0 {
		return nil
	}
	each := min(max(1, room/len(f.list)), 3)
	fits := room / each
	f.top = max(0, min(max(f.top, f.at-fits+1), f.at, len(f.list)-fits))
	shown := f.list[f.top:min(f.top+fits, len(f.list))]
	name := 0
	for i := range shown {
		name = max(name, min(lipgloss.Width(shown[i].cell.Cluster), longestName, width/3))
	}
	for i := range shown {
		lines = append(lines, shown[i].draw(each, name, width, now, focused && f.top+i == f.at)...)
	}
	return lines
}

// draw a failure on so many lines at most, its cause beside its name.
func (f *failure) draw(room, name, width int, now time.Time, selected bool) []string {
	when := clock(f.at, now)
	left := len(when) + 1 + name + 2
	text := wrap(cause(&f.cell), max(10, width-left))
	if len(text) > room {
		text[room-1] = strings.Join(text[room-1:], " ")
		text = text[:room]
	}
	for i := range text {
		head := strings.Repeat(" ", left)
		if i == 0 {
			head = dimStyle.Render(when) + " " + mark(badStyle, selected).Render(pad(safe.Line(f.cell.Cluster), name)) + "  "
		}
		text[i] = cut(head+text[i], width)
	}
	return text
}
