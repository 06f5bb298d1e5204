// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"time"

	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/placement"
)

// rateOver so much of the past: long enough that a rate does not jump about, short enough that one sees a run slow down.
const rateOver = 5 * time.Minute

// endOf a cell, by its own clock if it tells; zero when it has not ended.
func endOf(r *placement.ClusterResult) time.Time {
	if !r.FinishedAt.IsZero() {
		return r.FinishedAt
	}
	return r.EndedAt
}

// rate of cells that end, such as 4.2 clusters/min: over the last minutes, or over all of a run that has ended. Empty while there is none to tell.
func rate(s *follow.Snapshot, now time.Time) string {
	if s.Operation.Status.StartedAt == nil {
		return ""
	}
	from := s.Operation.Status.StartedAt.Time
	if finished := s.Operation.Status.FinishedAt; finished != nil {
		now = finished.Time
	} else if recent := now.Add(-rateOver); recent.After(from) {
		from = recent
	}
	ended := 0
	for i := range s.Cells {
		if s.Cells[i].State.Terminal() && endOf(&s.Cells[i]).After(from) {
			ended++
		}
	}
	past := now.Sub(from)
	if ended == 0 || past < time.Second {
		return ""
	}
	return fmt.Sprintf("%.1f %ss/min", float64(ended)/past.Minutes(), s.Unit())
}

// elapsed since the run began, until it ended.
func elapsed(s *follow.Snapshot, now time.Time) string {
	started, finished := s.Operation.Status.StartedAt, s.Operation.Status.FinishedAt
	switch {
	case started == nil:
		return "not started, asked for " + short(now.Sub(s.Operation.CreationTimestamp.Time)) + " ago"
	case finished != nil:
		return "took " + short(finished.Sub(started.Time))
	default:
		return "elapsed " + short(now.Sub(started.Time))
	}
}

// expected is when the run will have ended; empty when nobody knows.
func expected(s *follow.Snapshot, now time.Time) string {
	rollout := s.Operation.Status.Rollout
	if rollout == nil || rollout.ExpectedEnd == nil || s.Ended() {
		return ""
	}
	end := rollout.ExpectedEnd.Time
	switch left := end.Sub(now); {
	case left <= 0:
		return "expected end " + clock(end, now)
	case left < 2*time.Minute:
		return fmt.Sprintf("expected end %s, in %s", clock(end, now), short(left))
	default: // which is no promise to the second
		return fmt.Sprintf("expected end %s, in %s", clock(end, now)[:len(clock(end, now))-3], short(left.Round(time.Minute)))
	}
}
