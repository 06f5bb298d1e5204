// SPDX-License-Identifier: Apache-2.0

package steer

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Step is what to do about an Operation. With neither Patch nor Create it is so already.
type Step struct {
	// Patch is a merge patch of its spec.
	Patch map[string]any
	// Guarded patches are right only for the Operation as it was read: one that was changed since has to be looked at anew.
	Guarded bool
	// Create is an Operation to create beside it.
	Create *opsv1alpha1.Operation
	// Says in one line what is so now, and what happens next.
	Says string
}

// Pause starts no other cluster.
func Pause(op *opsv1alpha1.Operation) (Step, error) {
	switch {
	case op.Status.Phase.Terminal():
		return Step{}, ended(op, "there is nothing to pause")
	case op.Spec.Placement == nil:
		return Step{}, fmt.Errorf("%s is about one cluster, and there are no others to hold back: vw cancel stops it", op.Name)
	case op.Spec.Suspend:
		return Step{Says: "is paused already"}, nil
	}
	return Step{Patch: map[string]any{"suspend": true}, Says: "paused" + clusters(op, "what runs on %s goes on", "%s held back")}, nil
}

// Resume starts clusters again.
func Resume(op *opsv1alpha1.Operation) (Step, error) {
	switch held, why := holding(op); {
	case op.Status.Phase.Terminal():
		return Step{}, ended(op, "there is nothing to resume")
	case !op.Spec.Suspend && held:
		return Step{Says: "is not paused; it waits: " + why}, nil
	case !op.Spec.Suspend:
		return Step{Says: "is not paused"}, nil
	}
	return Step{Patch: map[string]any{"suspend": nil}, Says: "resumed" + clusters(op, "", "%s to be started")}, nil
}

// Cancel the run.
func Cancel(op *opsv1alpha1.Operation) (Step, error) {
	switch {
	case op.Status.Phase == opsv1alpha1.PhaseCancelled:
		return Step{Says: "was cancelled already"}, nil
	case op.Status.Phase.Terminal():
		return Step{}, ended(op, "there is nothing to cancel")
	case op.Spec.Cancel:
		return Step{Says: "is being cancelled already"}, nil
	}
	return Step{Patch: map[string]any{"cancel": true}, Says: "cancelled" + clusters(op, "%s told to stop", "%s not started")}, nil
}

// ended says that it is too late, and that what has ended stays as it ended.
func ended(op *opsv1alpha1.Operation, so string) error {
	err := fmt.Errorf("%s has ended (%s): %s", op.Name, op.Status.Phase, so)
	if op.Status.Phase != opsv1alpha1.PhaseSucceeded {
		return fmt.Errorf("%w; vw retry %s runs again what did not succeed", err, op.Name)
	}
	return err
}

// clusters says how many are at work and how many are left, in phrases that have a place for a number of clusters; an empty one is left out.
func clusters(op *opsv1alpha1.Operation, running, left string) string {
	if op.Status.Summary == nil || op.Status.Summary.Clusters == nil || op.Spec.Placement == nil {
		return ""
	}
	c, text, separator := op.Status.Summary.Clusters, "", ": "
	for _, part := range []struct {
		phrase string
		n      int32
	}{{running, c.Running}, {left, c.Pending + c.Blocked}} {
		if part.phrase != "" && part.n > 0 {
			text += separator + fmt.Sprintf(part.phrase, plural(part.n))
			separator = ", "
		}
	}
	return text
}

func plural(n int32) string {
	if n == 1 {
		return "1 cluster"
	}
	return fmt.Sprintf("%d clusters", n)
}

// holding tells whether something keeps the Operation from going on, and what.
func holding(op *opsv1alpha1.Operation) (bool, string) {
	c := meta.FindStatusCondition(op.Status.Conditions, opsv1alpha1.ConditionBlocked)
	if c == nil || c.Status != metav1.ConditionTrue {
		return false, ""
	}
	if c.Message == "" {
		return true, c.Reason
	}
	return true, c.Message
}

// blockedBy tells whether the Operation waits for a reason.
func blockedBy(op *opsv1alpha1.Operation, reason string) bool {
	c := meta.FindStatusCondition(op.Status.Conditions, opsv1alpha1.ConditionBlocked)
	return c != nil && c.Status == metav1.ConditionTrue && c.Reason == reason
}
