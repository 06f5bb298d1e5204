// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// State is where one cluster stands in a run.
type State string

const (
	// Pending has not started, and nothing is known to be wrong.
	Pending State = "pending"
	// Blocked has not started, and something is in the way.
	Blocked State = "blocked"
	// Running has started and may have had effects.
	Running State = "running"
	// Succeeded did what was asked. Final.
	Succeeded State = "succeeded"
	// Failed did not. Final.
	Failed State = "failed"
	// Cancelled was stopped, or never begun, because a person asked. Final.
	Cancelled State = "cancelled"
	// Skipped was left out: it is gone, or did not answer and may be left out. Final.
	Skipped State = "skipped"
)

// StateOf a phase; empty when there is none yet.
func StateOf(phase opsv1alpha1.OperationPhase, blocked bool) State {
	switch phase {
	case opsv1alpha1.PhasePending:
		if blocked {
			return Blocked
		}
		return Pending
	case opsv1alpha1.PhaseRunning:
		return Running
	case opsv1alpha1.PhaseSucceeded:
		return Succeeded
	case opsv1alpha1.PhaseFailed:
		return Failed
	case opsv1alpha1.PhaseCancelled:
		return Cancelled
	default:
		return ""
	}
}

// Terminal tells whether a state is final.
func (s State) Terminal() bool {
	return s == Succeeded || s == Failed || s == Cancelled || s == Skipped
}

// rank orders states by how far a cluster has come. A state never goes back to a lower rank: feedback that arrives late, twice or
// out of order tells of the past.
func (s State) rank() int {
	switch {
	case s.Terminal():
		return 3
	case s == Running:
		return 2
	case s == Pending, s == Blocked:
		return 1
	default:
		return 0
	}
}

// ClusterResult is what is known of one cluster. It is comparable: two results are the same when == says so, provided that their times
// were made by At.
type ClusterResult struct {
	// Cluster is the name of the managed cluster.
	Cluster string `json:"cluster"`
	// State of the cluster.
	State State `json:"state"`
	// Reason in one word.
	Reason string `json:"reason,omitempty"`
	// Message for people, at most opsv1alpha1.MaxMessage bytes.
	Message string `json:"message,omitempty"`
	// StartedAt is when the cluster set its fence, by the cluster's own clock; zero when unknown.
	StartedAt time.Time `json:"startedAt,omitzero"`
	// FinishedAt is when the cluster ended; zero when unknown.
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	// EndedAt is when the hub heard that it had ended, by the hub's clock; zero when it was not there to hear it.
	EndedAt time.Time `json:"endedAt,omitzero"`
	// Instances of the cluster by state.
	Instances opsv1alpha1.Counts `json:"instances,omitzero"`
	// Waiting tells that the cluster runs, and that something in it waits: for a precondition, or for a person. Message says for what.
	Waiting bool `json:"waiting,omitempty"`
	// Attempt that it is the result of: 0 is the first, and each retry is another.
	Attempt int32 `json:"attempt,omitempty"`
	// Withdrawn tells that the hub gave up on the cluster, so that what was sent there must be taken back before it runs late.
	Withdrawn bool `json:"withdrawn,omitempty"`
}

// At brings a time into the form in which ClusterResults compare: UTC, whole seconds, no monotonic clock, like the API's own times.
func At(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// held tells whether something keeps the cluster from going on by itself.
func (r ClusterResult) held() bool { return r.State == Blocked || r.State == Running && r.Waiting }

// Cause is the message, or the reason where nothing more is known.
func (r ClusterResult) Cause() string {
	if r.Message != "" {
		return r.Message
	}
	return r.Reason
}
