// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"errors"
	"fmt"
	"time"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// Do is what is to be done about a job.
type Do string

const (
	// DoAcknowledge tells the control plane that the job was received.
	DoAcknowledge Do = "Acknowledge"
	// DoApply carries it out.
	DoApply Do = "Apply"
	// DoAdopt notes that it was carried out before.
	DoAdopt Do = "Adopt"
	// DoWait looks again when something has changed.
	DoWait Do = "Wait"
	// DoDecide fixes the result.
	DoDecide Do = "Decide"
	// DoHandIn gives the result to the control plane.
	DoHandIn Do = "HandIn"
	// DoNothing is for what is over.
	DoNothing Do = "Nothing"
)

// Step is the next one of a job.
type Step struct {
	// Do this.
	Do Do
	// Outcome and Message of the result, with DoDecide.
	Outcome, Message string
	// Refused tells that nothing was carried out, with DoDecide.
	Refused bool
	// Status to tell, with DoWait; nothing when its phase is empty.
	Status wire.Status
}

// Seen is what there is to know about a job besides its record. Which of it counts, the record's state says.
type Seen struct {
	// Now by the clock of the control plane.
	Now time.Time
	// Problem is why the payload cannot be carried out, whatever else is so; nil when it can.
	Problem error
	// Adopted is what the job has made already, although the record does not say so.
	Adopted *wire.Ref
	// Rivals of the job.
	Rivals Rivals
	// Hold says what has to go first, such as an object that is being deleted; empty when nothing has.
	Hold string
	// Verdict on what the job has made.
	Verdict Verdict
	// Timeout of what the job has made; none when 0.
	Timeout time.Duration
}

// Next decides what is to be done about a job.
func Next(r *Record, seen *Seen) Step {
	switch r.State {
	case StateReceived:
		return Step{Do: DoAcknowledge}
	case StateAcked:
		return begin(r, seen)
	case StateApplied:
		return follow(r, seen)
	case StateDecided:
		return Step{Do: DoHandIn}
	default:
		return Step{Do: DoNothing}
	}
}

// begin, unless there is a reason not to. What was begun before is gone on with, also when it would not be begun any more.
func begin(r *Record, seen *Seen) Step {
	_, generation := splitKey(r.Job.IdempotencyKey)
	switch expires := r.Job.ExpiresAt; {
	case seen.Adopted != nil:
		return Step{Do: DoAdopt}
	case seen.Problem != nil:
		return refusal(seen.Problem)
	case !expires.IsZero() && !seen.Now.Before(expires):
		return Step{Do: DoDecide, Outcome: wire.OutcomeNoop, Refused: true, Message: fmt.Sprintf(
			"expired: expiresAt is %s, and it could not be begun before: send it again with a later one", expires.UTC().Format(time.RFC3339))}
	case seen.Rivals.Twin != "":
		return Step{Do: DoDecide, Outcome: wire.OutcomeNoop, Message: sameKey(seen.Rivals.Twin)}
	case generation > 0 && generation < seen.Rivals.Newest:
		return Step{Do: DoDecide, Outcome: wire.OutcomeNoop, Message: fmt.Sprintf("superseded by generation %d", seen.Rivals.Newest)}
	case seen.Rivals.Ahead != "":
		return waiting(seen.Now, fmt.Sprintf("job %s, about the same, goes first", seen.Rivals.Ahead))
	case seen.Hold != "":
		return waiting(seen.Now, seen.Hold)
	}
	return Step{Do: DoApply}
}

func sameKey(twin string) string {
	return fmt.Sprintf("job %s has done this, or does: it has the same idempotencyKey", twin)
}

func waiting(now time.Time, message string) Step {
	return Step{Do: DoWait, Status: wire.Status{Phase: "Waiting", Message: message, Timestamp: now}}
}

// follow what was made, to its end.
func follow(r *Record, seen *Seen) Step {
	v := seen.Verdict
	switch {
	case v.Outcome != "":
		return Step{Do: DoDecide, Outcome: v.Outcome, Message: v.Message, Refused: v.Refused}
	case seen.Timeout > 0 && seen.Now.Sub(r.AppliedAt) >= seen.Timeout:
		message := v.Status.Message
		if message == "" {
			message = "nothing was heard of it"
		}
		return Step{Do: DoDecide, Outcome: wire.OutcomeFailed, Message: fmt.Sprintf(
			"not done within %s (spec.jobTimeout of the ControlPlane); what it made stays, and may get there yet; last: %s", seen.Timeout, message)}
	}
	status := v.Status
	status.Timestamp = seen.Now
	return Step{Do: DoWait, Status: status}
}

// Refusal ends a job that cannot be carried out.
type Refusal struct {
	// Outcome is OutcomeFailed, OutcomeConflict or OutcomeNoop.
	Outcome string
	// Message names the field and the fix.
	Message string
	// Bare is what may be said instead when nobody is to see what the payload holds; empty when Message repeats none of it.
	Bare string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// refused for a reason that is told with a format.
func refused(format string, args ...any) error {
	return &Refusal{Outcome: wire.OutcomeFailed, Message: fmt.Sprintf(format, args...)}
}

// refusal decides on an error.
func refusal(err error) Step {
	step := Step{Do: DoDecide, Outcome: wire.OutcomeFailed, Message: err.Error(), Refused: true}
	if r, ok := errors.AsType[*Refusal](err); ok {
		step.Outcome = r.Outcome
		step.Refused = r.Outcome != wire.OutcomeNoop
	}
	return step
}
