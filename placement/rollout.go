// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Strategy decides what a run does next. It keeps nothing between two calls, so that a hub that was restarted decides the same.
type Strategy interface {
	// Decide what to do now. limit bounds how many clusters may be started at once; 0 does not.
	Decide(plan Plan, tally *Tally, now time.Time, limit int) Decision
}

// Decision is what to do next in a run.
type Decision struct {
	// Start these clusters now, in this order.
	Start []string
	// Skip these clusters: they are never started, and end as Cancelled.
	Skip []string
	// More tells that clusters are left to start as soon as those in Start were.
	More bool
	// RequeueAfter asks for another decision at the latest after that time, also when no cluster reports anything. 0 does not.
	RequeueAfter time.Duration
	// Done tells that the run is over and that Phase, which is terminal, Reason and Message say how. Otherwise Phase is Running.
	Done    bool
	Phase   opsv1alpha1.OperationPhase
	Reason  string
	Message string
}

// For returns the strategy of a fleet Operation.
func For(spec opsv1alpha1.OperationSpec) Strategy {
	if spec.Cancel {
		return Stop{}
	}
	return All{}
}

// All starts every cluster at once.
type All struct{}

// Decide implements Strategy.
func (All) Decide(_ Plan, tally *Tally, _ time.Time, limit int) Decision {
	d := decide(tally)
	d.Start = tally.NotStarted(limit)
	d.More = limit > 0 && len(d.Start) == limit
	return d
}

// Stop starts nothing any more: the run was cancelled. It is over when the clusters that were started have ended.
type Stop struct{}

// Decide implements Strategy.
func (Stop) Decide(_ Plan, tally *Tally, _ time.Time, _ int) Decision {
	d := decide(tally)
	d.Skip = tally.NotStarted(0)
	if !d.Done {
		d.Message = "cancelling: " + d.Message
	}
	return d
}

// decide says whether the run is over.
func decide(tally *Tally) Decision {
	if !tally.Done() {
		return Decision{Phase: opsv1alpha1.PhaseRunning, Reason: opsv1alpha1.ReasonRollingOut, Message: tally.Progress()}
	}
	phase, reason, message := tally.Verdict()
	return Decision{Done: true, Phase: phase, Reason: reason, Message: message}
}
