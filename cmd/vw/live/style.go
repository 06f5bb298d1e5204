// SPDX-License-Identifier: Apache-2.0

package live

import (
	"charm.land/lipgloss/v2"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// look of a cell, or of a count of cells.
type look struct {
	glyph string
	word  string
	style lipgloss.Style
}

func ansi(color string) lipgloss.Style { return lipgloss.NewStyle().Foreground(lipgloss.Color(color)) }

var (
	boldStyle   = lipgloss.NewStyle().Bold(true)
	dimStyle    = ansi("8")
	warnStyle   = ansi("3").Bold(true)
	badStyle    = ansi("1").Bold(true)
	goodStyle   = ansi("2")
	activeStyle = ansi("6")
	keyStyle    = lipgloss.NewStyle().Bold(true)
)

// Looks of the states. All glyphs are one column wide.
var (
	lookSucceeded = look{"■", "succeeded", goodStyle}
	lookFailed    = look{"✗", "failed", badStyle}
	lookRunning   = look{"▶", "running", activeStyle.Bold(true)}
	lookWaiting   = look{"▷", "waiting", warnStyle}
	lookBlocked   = look{"!", "blocked", warnStyle}
	lookTold      = look{"○", "sent", activeStyle}
	lookPending   = look{"·", "pending", dimStyle}
	lookCancelled = look{"⊘", "cancelled", warnStyle}
	lookSkipped   = look{"–", "skipped", dimStyle}
)

// lookOf a cell. One that was told and has not answered, and one that runs and waits for something, look different from others that are pending or running: that is where
// a run gets stuck.
func lookOf(r *placement.ClusterResult) *look {
	switch r.State {
	case placement.Succeeded:
		return &lookSucceeded
	case placement.Failed:
		return &lookFailed
	case placement.Running:
		if r.Waiting {
			return &lookWaiting
		}
		return &lookRunning
	case placement.Blocked:
		return &lookBlocked
	case placement.Cancelled:
		return &lookCancelled
	case placement.Skipped:
		return &lookSkipped
	case placement.Pending:
		return &lookTold
	default:
		return &lookPending
	}
}

func phaseStyle(phase opsv1alpha1.OperationPhase, blocked bool) lipgloss.Style {
	switch phase {
	case opsv1alpha1.PhaseSucceeded:
		return goodStyle.Bold(true)
	case opsv1alpha1.PhaseFailed:
		return badStyle
	case opsv1alpha1.PhaseCancelled:
		return warnStyle
	default:
		if blocked {
			return warnStyle
		}
		return activeStyle.Bold(true)
	}
}
