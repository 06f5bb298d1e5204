// SPDX-License-Identifier: Apache-2.0

package live

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/safe"
	"vworkspace.io/fleet/placement"
)

const (
	// few cells are told of at each step; of more, only what is in the way of something.
	few = 20
	// atOnce so many lines of cells are printed for one change at most.
	atOnce = 20
)

// Plain prints a line for each change, for logs and for who reads by ear, until the Operation has ended: how far it is, at most once in Options.Every, and what fails or
// is blocked, at once. It returns what it knew last; the error is the context's, or the writer's.
func Plain(ctx context.Context, w io.Writer, source Source, o Options) (follow.Snapshot, error) {
	p := &plain{w: w, options: o, states: map[string]string{}}
	wake := time.NewTicker(cmp.Or(o.Every, time.Second))
	defer wake.Stop()
	for {
		s := source.Snapshot()
		if p.begun || !s.Reading || !s.Down.IsZero() || s.Ended() { // what is not all in yet is told when it is
			p.print(&s)
		}
		if p.err != nil || s.Ended() || s.Gone {
			return s, p.err
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-source.Changed():
		case <-wake.C:
		}
	}
}

type plain struct {
	w       io.Writer
	options Options
	err     error

	begun   bool
	states  map[string]string // what was told of each cell
	line    string            // how far it was
	at      time.Time         // when that was told
	trouble string
	missing int // how many rights were told to be
}

func (p *plain) say(now time.Time, format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, "%s %s\n", now.Format(time.TimeOnly), fmt.Sprintf(format, args...))
	}
}

func (p *plain) print(s *follow.Snapshot) {
	now := p.options.Now()
	p.troubles(s, now)
	p.cells(s, now)
	line := progress(s)
	if line != p.line && (s.Ended() || now.Sub(p.at) >= cmp.Or(p.options.Every, time.Second) || p.line == "") {
		p.say(now, "%s", line)
		p.line, p.at = line, now
	}
	p.begun = true
}

// troubles are told when they come, and when they go.
func (p *plain) troubles(s *follow.Snapshot, now time.Time) {
	for ; p.missing < len(s.Missing); p.missing++ {
		p.say(now, "%s", s.Missing[p.missing])
	}
	trouble := ""
	switch {
	case s.Gone:
		trouble = "the Operation was deleted"
	case !s.Down.IsZero():
		trouble = "not connected: " + safe.Line(s.Why)
	}
	if trouble == p.trouble || trouble != "" && p.trouble != "" && !s.Gone {
		return
	}
	p.trouble = trouble
	if trouble == "" {
		trouble = "connected again"
	}
	p.say(now, "%s", trouble)
}

// cells that are not as they were told.
func (p *plain) cells(s *follow.Snapshot, now time.Time) {
	printed, left := 0, 0
	for i := range s.Cells {
		cell := &s.Cells[i]
		word := lookOf(cell).word
		state := word + " " + cell.Reason
		if old, known := p.states[cell.Cluster]; known && old == state {
			continue
		}
		p.states[cell.Cluster] = state
		if !p.worthIt(s, cell) {
			continue
		}
		if printed++; printed > atOnce {
			left++
			continue
		}
		line := word + " " + safe.Line(cell.Cluster)
		if text := cause(cell); text != "" {
			line += ": " + text
		}
		p.say(now, "%s", line)
	}
	if left > 0 {
		p.say(now, "and %d more %ss", left, s.Unit())
	}
}

// worthIt tells whether a line is due for a cell.
func (p *plain) worthIt(s *follow.Snapshot, cell *placement.ClusterResult) bool {
	switch cell.State {
	case placement.Failed, placement.Blocked, placement.Skipped, placement.Cancelled:
		return true
	case placement.Running:
		return cell.Waiting || len(s.Cells) <= few
	case placement.Succeeded:
		return p.begun && len(s.Cells) <= few
	default:
		return false
	}
}

// progress in a line.
func progress(s *follow.Snapshot) string {
	status, counts := &s.Operation.Status, s.Counts()
	line := phaseOf(s)
	if counts.Total > 0 {
		line += fmt.Sprintf(" %d/%s", counts.Done(), plural(int(counts.Total), s.Unit()))
		for _, l := range []struct {
			n    int32
			what string
		}{{counts.Failed, "failed"}, {counts.Running, "running"}, {counts.Blocked, "blocked"}} {
			if l.n > 0 {
				line += fmt.Sprintf(", %d %s", l.n, l.what)
			}
		}
	}
	if rollout := status.Rollout; rollout != nil && rollout.Group != "" && rollout.Groups > 1 && !s.Ended() {
		line += ", group " + rollout.Group
	}
	if message := safe.Line(status.Message); message != "" {
		line += ": " + message
	}
	return line
}
