// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"io"

	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/safe"
	"vworkspace.io/fleet/placement"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// told failures at the end. The others are in vw describe.
const told = 10

// Summary of how an Operation stands, or has ended, on a few lines: what came of it, which failed first, and what to do next.
func Summary(w io.Writer, s *follow.Snapshot, o Options) error {
	op := s.Operation
	first := fmt.Sprintf("%s/%s %s", op.Namespace, op.Name, phaseOf(s))
	if op.Status.StartedAt != nil {
		first += ", " + elapsed(s, o.Now())
	}
	if message := safe.Line(op.Status.Message); message != "" {
		first += ": " + message
	}
	lines := []string{first}
	if counts := words(s.Counts()); counts != "" {
		lines = append(lines, fmt.Sprintf("  %s: %s", plural(int(s.Counts().Total), s.Unit()), counts))
	}
	failed := failedOf(s)
	for _, cell := range failed[:min(len(failed), told)] {
		lines = append(lines, "  failed "+safe.Line(cell.Cluster)+": "+cause(&cell))
	}
	if n := int(s.Counts().Failed) - told; n > 0 && len(failed) >= told {
		lines = append(lines, fmt.Sprintf("  and %d more", n))
	}
	for _, line := range append(lines, next(s, failed, o)...) {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// failedOf the cells. At the end, and where the cells are not known, it is what the Operation says: the cells may not be as far yet.
func failedOf(s *follow.Snapshot) (failed []placement.ClusterResult) {
	if !s.Ended() || len(s.Operation.Status.Failures) == 0 {
		for i := range s.Cells {
			if s.Cells[i].State == placement.Failed {
				failed = append(failed, s.Cells[i])
			}
		}
	}
	if len(failed) == 0 {
		for _, f := range s.Operation.Status.Failures {
			failed = append(failed, placement.ClusterResult{Cluster: f.Name, Reason: f.Reason, Message: f.Message})
		}
	}
	return failed
}

// next is what a person can do now.
func next(s *follow.Snapshot, failed []placement.ClusterResult, o Options) (lines []string) {
	op := s.Operation
	name := op.Name + " -n " + op.Namespace
	switch {
	case !s.Ended() && !s.Gone:
		lines = append(lines, "It goes on. Look again: "+o.Program+" watch "+name)
	case len(failed) > 0 && !s.Spoke:
		lines = append(lines, fmt.Sprintf("See why:   %s describe op %s --cluster %s", o.Program, name, failed[0].Cluster))
		if op.Status.Phase == opsv1alpha1.PhaseFailed && s.Counts().Total > 1 {
			lines = append(lines, fmt.Sprintf("Try again: %s retry %s --failed", o.Program, name))
		}
	case op.Status.Phase == opsv1alpha1.PhaseFailed:
		lines = append(lines, fmt.Sprintf("See why:   %s describe op %s", o.Program, name))
	}
	return lines
}
