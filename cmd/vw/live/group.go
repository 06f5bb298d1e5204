// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"time"

	"charm.land/lipgloss/v2"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/safe"
)

// title of a group: its name, how far it is, and what it waits for.
func title(s *follow.Snapshot, i int, now time.Time, width int) string {
	group := s.Groups[i]
	counts := follow.Count(s.Cells[group.From:group.To])
	left := boldStyle.Render(group.Name) + fmt.Sprintf("  %d/%d", counts.Done(), counts.Total)
	if counts.Failed > 0 {
		left += badStyle.Render(fmt.Sprintf("  %d failed", counts.Failed))
	}
	state, style := groupState(s, group.Name, counts, now)
	return cut(left+"  "+style.Render(state), width)
}

func groupState(s *follow.Snapshot, name string, counts opsv1alpha1.Counts, now time.Time) (string, lipgloss.Style) {
	status := &s.Operation.Status
	rollout := status.Rollout
	atWork := rollout != nil && rollout.Group == name && !s.Ended()
	switch {
	case atWork && rollout.SoakingUntil != nil && rollout.SoakingUntil.After(now):
		return fmt.Sprintf("soaking until %s, %s more", clock(rollout.SoakingUntil.Time, now), short(rollout.SoakingUntil.Sub(now))), activeStyle
	case atWork && status.Blocked && counts.Running == 0:
		return holding(status.Reason), warnStyle
	case counts.Done() == counts.Total:
		return "done", dimStyle
	case atWork, counts.Running > 0:
		return "at work", activeStyle
	default:
		return "waits", dimStyle
	}
}

// holding is why a group is held, for people.
func holding(reason string) string {
	switch reason {
	case opsv1alpha1.ReasonAwaitingGroupApproval:
		return "awaits approval"
	case opsv1alpha1.ReasonSuspended:
		return "paused"
	case opsv1alpha1.ReasonRolloutHalted:
		return "halted"
	case opsv1alpha1.ReasonFrozen:
		return "frozen"
	case opsv1alpha1.ReasonOutsideMaintenanceWindow:
		return "waits for its maintenance window"
	default:
		return "held: " + safe.Line(reason)
	}
}
