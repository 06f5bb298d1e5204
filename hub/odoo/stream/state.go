// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// State of a sink.
type State struct {
	// Connected: it took what was delivered last. False until it has taken something.
	Connected bool
	// LastContact is when it last took something; zero when it never did.
	LastContact time.Time
	// Err is what it answered last, when it took nothing.
	Err error
	// Resynced: it has been told how everything stands since it was last away.
	Resynced bool
	// Dropped is how many transitions it was not told, nor will be; 0 again once it is connected and was told all else.
	Dropped int64
	// Full: something that was deleted stays, because there is no room for letters.
	Full bool
	// Waiting is how many objects there is news of.
	Waiting int
}

// Overflow is the condition BufferOverflow that a state comes to.
func (s State) Overflow() metav1.Condition {
	c := metav1.Condition{Type: opsv1alpha1.ConditionBufferOverflow, Status: metav1.ConditionFalse, Reason: opsv1alpha1.ReasonNothingDropped}
	switch {
	case s.Full:
		c.Status, c.Reason = metav1.ConditionTrue, opsv1alpha1.ReasonOutboxFull
		c.Message = "what waits to be told of deleted Operations takes all the room there is: those that are deleted now stay until it has been told"
	case s.Dropped > 0:
		c.Status, c.Reason = metav1.ConditionTrue, opsv1alpha1.ReasonTransitionsDropped
		c.Message = fmt.Sprintf("%d transitions were not told: more happened than there was room for; how everything ended was told, or will be", s.Dropped)
	}
	return c
}

// Overflow is the condition BufferOverflow of a sink.
func (s *Stream) Overflow(name string) metav1.Condition {
	state, _ := s.State(name)
	return state.Overflow()
}

// now is the state, as it is.
func (o *outlet) now() State {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.state
	s.Waiting = len(o.queue)
	return s
}
