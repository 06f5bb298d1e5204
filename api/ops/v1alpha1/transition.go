// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"fmt"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bounds on what a status may hold, so that no object grows with what lies below it.
const (
	// MaxMessage bytes of a condition's or failure's message.
	MaxMessage = 1024
	// MaxHistory transitions.
	MaxHistory = 32
	// MaxFailures with their causes.
	MaxFailures = 20
	// maxHistoryMessage bytes of a message in the history.
	maxHistoryMessage = 256
)

// Transitioner moves an Operation's status from one state to the next. It is the only writer of phase, reason, message, conditions,
// startedAt, finishedAt and history, so that they cannot disagree, and it leaves a terminal status alone.
type Transitioner struct {
	status     *OperationStatus
	generation int64
	now        metav1.Time
}

// Transition starts a change of op's status, seen at now.
func (op *Operation) Transition(now time.Time) Transitioner {
	return Transitioner{status: &op.Status, generation: op.Generation, now: metav1.NewTime(now.Truncate(time.Second))}
}

// Accept records that the request makes sense. The Operation is Pending until it runs.
func (t Transitioner) Accept(message string) {
	t.move(PhasePending, ReasonAdmissionPassed, message, func() {
		t.set(ConditionAccepted, metav1.ConditionTrue, ReasonAdmissionPassed, message)
	})
}

// Block records what keeps the Operation from starting.
func (t Transitioner) Block(reason, message string) {
	t.move(PhasePending, reason, message, func() {
		t.status.Blocked = true
		t.set(ConditionBlocked, metav1.ConditionTrue, reason, message)
	})
}

// Run sets the fence, or records progress of a run: startedAt is kept once set.
func (t Transitioner) Run(reason, message string) {
	t.run(reason, message, func() { t.unblock(reason) })
}

func (t Transitioner) run(reason, message string, blocked func()) {
	t.move(PhaseRunning, reason, message, func() {
		if t.status.StartedAt == nil {
			t.status.StartedAt = t.now.DeepCopy()
		}
		blocked()
		t.set(ConditionRunning, metav1.ConditionTrue, reason, message)
	})
}

// Await records that a run waits for a person: it is Running, and Blocked for the reason in waiting.
func (t Transitioner) Await(waiting, reason, message string) {
	t.run(reason, message, func() {
		t.status.Blocked = true
		t.set(ConditionBlocked, metav1.ConditionTrue, waiting, message)
	})
}

// Succeed ends the Operation well.
func (t Transitioner) Succeed(reason, message string) { t.End(PhaseSucceeded, reason, message) }

// Fail ends the Operation badly.
func (t Transitioner) Fail(reason, message string) { t.End(PhaseFailed, reason, message) }

// Reject ends an Operation that makes no sense; message names the field and the fix.
func (t Transitioner) Reject(message string) { t.RejectBecause(ReasonValidationFailed, message) }

// RejectBecause is Reject with a reason that says more than ValidationFailed.
func (t Transitioner) RejectBecause(reason, message string) {
	if t.status.Phase.Terminal() {
		return
	}
	t.set(ConditionAccepted, metav1.ConditionFalse, reason, message)
	t.End(PhaseFailed, reason, message)
}

// Cancel ends the Operation because a person asked for it.
func (t Transitioner) Cancel(reason, message string) { t.End(PhaseCancelled, reason, message) }

// Degrade records that the Operation ended, or will end, well but not entirely.
func (t Transitioner) Degrade(reason, message string) {
	if !t.status.Phase.Terminal() {
		t.set(ConditionDegraded, metav1.ConditionTrue, reason, message)
	}
}

// End ends the Operation in one of the three terminal phases.
func (t Transitioner) End(phase OperationPhase, reason, message string) {
	t.move(phase, reason, message, func() {
		t.status.FinishedAt = t.now.DeepCopy()
		t.status.Verdict, t.status.FailingSince = nil, nil
		t.unblock(reason)
		if meta.FindStatusCondition(t.status.Conditions, ConditionRunning) != nil {
			t.set(ConditionRunning, metav1.ConditionFalse, reason, message)
		}
		for _, c := range []string{ConditionSucceeded, ConditionFailed, ConditionCancelled} {
			t.set(c, conditionStatus(c == string(phase)), reason, message)
		}
	})
}

// move applies change unless the status is terminal, and keeps the history.
func (t Transitioner) move(phase OperationPhase, reason, message string, change func()) {
	s := t.status
	if s.Phase.Terminal() {
		return
	}
	message = Truncate(message, MaxMessage)
	moved := s.Phase != phase || s.Reason != reason
	change()
	s.Phase, s.Reason, s.Message, s.ObservedGeneration = phase, reason, message, t.generation
	if !moved {
		return
	}
	s.Transitions = max(s.Transitions, int64(len(s.History))) + 1 // those before are of a version that did not count
	s.History = append(s.History, Transition{Time: t.now, Phase: phase, Reason: reason, Message: Truncate(message, maxHistoryMessage)})
	if n := len(s.History) - MaxHistory; n > 0 {
		s.History = append([]Transition(nil), s.History[n:]...)
	}
}

func (t Transitioner) unblock(reason string) {
	if t.status.Blocked {
		t.status.Blocked = false
		t.set(ConditionBlocked, metav1.ConditionFalse, reason, "")
	}
}

func (t Transitioner) set(kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&t.status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: Truncate(message, MaxMessage),
		ObservedGeneration: t.generation, LastTransitionTime: t.now,
	})
}

func conditionStatus(b bool) metav1.ConditionStatus {
	if b {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

// Truncate cuts s to at most n bytes without breaking a character, and says so with a final "...".
func Truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[:n-3]
	for len(s) > 0 && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "..."
}

// SetProgress records done out of total.
func (s *OperationStatus) SetProgress(c Counts) { s.Progress = fmt.Sprintf("%d/%d", c.Done(), c.Total) }
