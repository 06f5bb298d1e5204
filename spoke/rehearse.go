// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"strings"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// wouldWait begins what a dry run says of a run that would wait for nothing but its turn, its time or a person. A dry run does not wait with it.
	wouldWait = "dry run: would wait: "
	// maxRehearsed instances are looked into, one by one, by a dry run on many; of the others it says that they match.
	maxRehearsed = 100
)

// rehearse ends a dry run on the matching instances. Each of them is asked what a run of its own would be asked before it starts, in memory: no Operation is made of
// it, and nothing is written. In the summary those are pending that would start, blocked those that would wait, and failed those that would be refused.
func (r *operationReconciler) rehearse(ctx context.Context, v *visit, matches []appsv1alpha1.ApplicationInstance) error {
	counts := opsv1alpha1.Counts{Total: int32(len(matches))}
	var starts []appsv1alpha1.ApplicationInstance
	var held []string
	for i := range matches {
		if i >= maxRehearsed {
			starts = append(starts, matches[i:]...)
			held = append(held, fmt.Sprintf("%d more were not looked into", len(matches)-i))
			break
		}
		part := newVisit(v.site, rehearsal(v.op, &matches[i]), v.clock)
		if _, err := r.start(ctx, part); err != nil {
			return fmt.Errorf("look into %s/%s: %w", matches[i].Namespace, matches[i].Name, part.redaction.Error(err))
		}
		part.redaction.Status(&part.op.Status)
		s := &part.op.Status
		switch waits, isWaiting := strings.CutPrefix(s.Message, wouldWait); {
		case s.Phase == opsv1alpha1.PhaseSucceeded && !isWaiting:
			starts = append(starts, matches[i])
			continue
		case s.Phase == opsv1alpha1.PhaseFailed:
			counts.Failed++
			held = append(held, fmt.Sprintf("%s/%s would be refused: %s", matches[i].Namespace, matches[i].Name, s.Message))
		default:
			counts.Blocked++
			held = append(held, fmt.Sprintf("%s/%s would wait: %s", matches[i].Namespace, matches[i].Name, waits))
		}
	}
	counts.Pending = int32(len(starts))
	v.op.Status.Summary = &opsv1alpha1.Summary{Instances: &counts}
	message := "dry run: would run on " + describeInstances(starts)
	if len(held) > 0 { // before the names, which may be many
		message = fmt.Sprintf("dry run: would run on %d of %d instances; %s", len(starts), len(matches), strings.Join(held, "; "))
	}
	v.to().Succeed(opsv1alpha1.ReasonDryRun, message)
	return nil
}

// rehearsal is the Operation that a run would make for an instance, as a dry run.
func rehearsal(parent *opsv1alpha1.Operation, ai *appsv1alpha1.ApplicationInstance) *opsv1alpha1.Operation {
	op := child(parent, ai)
	op.UID, op.CreationTimestamp = parent.UID, parent.CreationTimestamp // it is in the labels of what is planned
	op.Spec.DryRun = true
	return op
}
