// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"strings"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/safe"
)

// low is a terminal of so few lines that only the head's most needed lines are shown.
const low = 16

// header of a frame.
func header(s *follow.Snapshot, now time.Time, width, height int) []string {
	status := &s.Operation.Status
	name := boldStyle.Render(s.Operation.Namespace + "/" + s.Operation.Name)
	phase := phaseStyle(status.Phase, status.Blocked).Render(phaseOf(s))
	lines := []string{sides(name, phase, width)}
	if !strings.Contains(lines[0], phase) {
		lines = append(lines, cut(phase, width))
	}
	if height >= low {
		lines = append(lines, cut(dimStyle.Render(about(s)), width))
	}
	if message := safe.Line(status.Message); message != "" && height >= low {
		lines = append(lines, cut(message, width))
	}
	counts := s.Counts()
	if height >= low {
		lines = append(lines, bar(counts, width))
	}
	lines = append(lines, fill(legend(s, counts), width)...)
	lines = append(lines, fill([]string{rate(s, now), elapsed(s, now), expected(s, now)}, width)...)
	return append(lines, troubles(s, now, width, height)...)
}

// phaseOf the Operation, with its reason.
func phaseOf(s *follow.Snapshot) string {
	status := &s.Operation.Status
	phase := string(status.Phase)
	if phase == "" {
		phase = "not taken up"
	}
	if reason := safe.Line(status.Reason); reason != "" && reason != phase {
		phase += " " + reason
	}
	if s.Operation.Spec.Cancel && !s.Ended() {
		return phase + ", cancelling"
	}
	return phase
}

// about the Operation: what it does, and how much of it there is.
func about(s *follow.Snapshot) string {
	spec, status := &s.Operation.Spec, &s.Operation.Status
	parts := []string{string(spec.Type)}
	switch {
	case status.Template != nil:
		parts = append(parts, "by template "+status.Template.Name)
	case spec.TemplateRef != nil:
		parts = append(parts, "by template "+spec.TemplateRef.Name)
	}
	if n := int(s.Counts().Total); n > 0 {
		parts = append(parts, "on "+plural(n, s.Unit()))
	}
	if len(s.Groups) > 1 {
		parts = append(parts, fmt.Sprintf("in %d groups", len(s.Groups)))
	}
	if spec.DryRun {
		parts = append(parts, "as a dry run")
	}
	if rollout := status.Rollout; rollout != nil && rollout.Attempt > 0 {
		parts = append(parts, fmt.Sprintf("retry %d", rollout.Attempt))
	}
	if by := safe.Line(s.Operation.Annotations[opsv1alpha1.AnnotationRequestedBy]); by != "" {
		parts = append(parts, "asked for by "+by)
	}
	return strings.Join(parts, " ")
}

// legend of the counts, each with the glyph that its cells have.
func legend(s *follow.Snapshot, c opsv1alpha1.Counts) []string {
	waiting, told := 0, 0
	for i := range s.Cells {
		switch lookOf(&s.Cells[i]) {
		case &lookWaiting:
			waiting++
		case &lookTold:
			told++
		}
	}
	told = min(told, int(c.Pending))
	waiting = min(waiting, int(c.Running))
	var parts []string
	for _, l := range []struct {
		look *look
		n    int
	}{
		{&lookSucceeded, int(c.Succeeded)}, {&lookFailed, int(c.Failed)}, {&lookCancelled, int(c.Cancelled)}, {&lookSkipped, int(c.Skipped)},
		{&lookRunning, int(c.Running) - waiting}, {&lookWaiting, waiting}, {&lookBlocked, int(c.Blocked)}, {&lookTold, told}, {&lookPending, int(c.Pending) - told},
	} {
		if l.n > 0 {
			parts = append(parts, l.look.style.Render(fmt.Sprintf("%s %d %s", l.look.glyph, l.n, l.look.word)))
		}
	}
	if len(parts) == 0 && s.Operation.Status.Plan != nil {
		return []string{dimStyle.Render("reading the plan")}
	}
	if len(parts) == 0 {
		return []string{dimStyle.Render("nothing is planned yet")}
	}
	return parts
}

// bar of the counts, in the colours of their states.
func bar(c opsv1alpha1.Counts, width int) string {
	percent := fmt.Sprintf(" %3d %%", 100*int(c.Done())/max(1, int(c.Total)))
	width = min(width, 100) - len(percent)
	if width < 4 {
		return ""
	}
	var b strings.Builder
	drawn, sum := 0, 0
	for _, part := range []struct {
		n    int32
		fill string
		look *look
	}{
		{c.Succeeded, "━", &lookSucceeded}, {c.Failed, "━", &lookFailed}, {c.Cancelled, "━", &lookCancelled}, {c.Skipped, "━", &lookSkipped},
		{c.Running, "╍", &lookRunning}, {c.Blocked, "╍", &lookBlocked},
	} {
		sum += int(part.n)
		to := sum * width / max(1, int(c.Total))
		if part.n > 0 && to == drawn && drawn < width { // what there is must be seen
			to++
		}
		if to > drawn {
			b.WriteString(part.look.style.Render(strings.Repeat(part.fill, to-drawn)))
			drawn = to
		}
	}
	return b.String() + dimStyle.Render(strings.Repeat("─", width-drawn)) + percent
}

// troubles are what a person has to know about what is shown.
func troubles(s *follow.Snapshot, now time.Time, width, height int) (shown []string) {
	var lines []string
	switch {
	case s.Gone:
		lines = append(lines, "the Operation was deleted: this is how it stood before")
	case !s.Down.IsZero():
		lines = append(lines, fmt.Sprintf("not connected for %s, and what is shown is that old: %s", short(now.Sub(s.Down)), safe.Line(s.Why)))
	case s.Reading:
		lines = append(lines, fmt.Sprintf("reading what the %ss say", s.Unit()))
	}
	for _, line := range append(lines, s.Missing...) {
		wrapped := wrap(line, width)
		if height < low {
			wrapped = []string{cut(line, width)}
		}
		for _, part := range wrapped {
			shown = append(shown, warnStyle.Render(part))
		}
	}
	return shown
}
