// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/events"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Tell writes a log line and an Event for each transition that op's status has made since before. Call it when the API server has accepted the
// status and never sooner: then nothing is told that did not come to be, and nothing is told twice, also not by a process that takes over, because a
// transition is only ever accepted once. A nil recorder makes no Events.
func Tell(ctx context.Context, recorder events.EventRecorder, op *opsv1alpha1.Operation, before opsv1alpha1.OperationStatus) {
	log := logf.FromContext(ctx)
	for _, t := range newTransitions(before.History, op.Status.History) {
		log.Info("transition", "phase", t.Phase, "reason", t.Reason, "message", t.Message)
		if recorder != nil {
			recorder.Eventf(op, nil, eventType(t), t.Reason, string(op.Spec.Type), "%s", note(t))
		}
	}
}

// note of an Event, which must not be empty.
func note(t opsv1alpha1.Transition) string {
	if t.Message == "" {
		return string(t.Phase)
	}
	return t.Message
}

// newTransitions are those of after that before does not end with. The history is bounded, so positions shift.
func newTransitions(before, after []opsv1alpha1.Transition) []opsv1alpha1.Transition {
	for known := min(len(before), len(after)); known > 0; known-- {
		if equality.Semantic.DeepEqual(before[len(before)-known:], after[:known]) {
			return after[known:]
		}
	}
	return after
}

// ordinary are reasons to be Pending for which nobody has to mend anything: the request makes sense, others go first, or somebody holds it.
var ordinary = []string{
	opsv1alpha1.ReasonAdmissionPassed, opsv1alpha1.ReasonConflictingOperation, opsv1alpha1.ReasonAwaitingApproval, opsv1alpha1.ReasonClusterBusy,
	opsv1alpha1.ReasonAwaitingTurn, opsv1alpha1.ReasonFrozen,
}

// eventType is Warning for a failure and for what is in the way and has to be mended.
func eventType(t opsv1alpha1.Transition) string {
	if t.Phase == opsv1alpha1.PhaseFailed || t.Phase == opsv1alpha1.PhasePending && !slices.Contains(ordinary, t.Reason) {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}
