// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"fmt"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// State is where a run stands.
type State string

const (
	// StateRunning means that the executor is at work, or has not noticed the run yet.
	StateRunning State = "Running"
	// StateSucceeded means that the executor says that it is done. Final.
	StateSucceeded State = "Succeeded"
	// StateFailed means that the executor says that it failed, or that its word was lost. Final.
	StateFailed State = "Failed"
)

// Outcome is an engine's answer to: where does the run stand?
type Outcome struct {
	// State of the run.
	State State
	// Reason in one CamelCase word; the engine's own, such as JobFailedBackoffExceeded, where it says more than a shared one.
	Reason string
	// Message for people: the cause, with the executor's own words. Never a secret. Cut to 1,024 bytes.
	Message string
	// Waiting is the reason of the Blocked condition while the run waits for a person, such as AwaitingResume; empty otherwise. Message
	// says what the person can do.
	Waiting string
	// Untimed means that spec.timeout does not count now: the executor has the run in its queue, or the run has done what was asked and goes on
	// for its own sake.
	Untimed bool
	// Began is when the executor began, by its own word; spec.timeout counts from then. Zero counts from the fence.
	Began time.Time
	// Next is what to put in place before the run can go on, when it has several steps. It is recorded like the plan, so a step must be
	// named by what is in status.resources and not by what a cache shows.
	Next []Change
	// Remind changes objects of the run so that the executor looks again at what it seems to have forgotten. It is recorded nowhere, and made as often as
	// the engine asks for it, also of a run that is being cancelled: it must not matter to an executor that has forgotten nothing.
	Remind []Change
	// Progress in the executor's own measure, such as "12/40 items"; empty when it has none.
	Progress string
	// Degraded is the reason why a success is not an entire one; empty otherwise.
	Degraded string
	// Outputs are names that a person can use with the executor's own command line.
	Outputs map[string]string
	// LogsRef points at logs that exist.
	LogsRef *opsv1alpha1.LogsRef
}

// Running is an outcome that is not final.
func Running(reason, format string, args ...any) Outcome {
	return outcome(StateRunning, reason, format, args...)
}

// Succeeded is a final good outcome.
func Succeeded(reason, format string, args ...any) Outcome {
	return outcome(StateSucceeded, reason, format, args...)
}

// Failed is a final bad outcome.
func Failed(reason, format string, args ...any) Outcome {
	return outcome(StateFailed, reason, format, args...)
}

// Lost is the outcome of a run whose object went before its result was read. It is never run again: nobody knows what it did.
func Lost(kind, name string) Outcome {
	return Failed(opsv1alpha1.ReasonResultLost, "%s %s was deleted before its result was read; it is not run again, because nobody knows what it did", kind, name)
}

func outcome(state State, reason, format string, args ...any) Outcome {
	return Outcome{State: state, Reason: reason, Message: opsv1alpha1.Truncate(fmt.Sprintf(format, args...), opsv1alpha1.MaxMessage)}
}
