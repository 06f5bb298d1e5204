// SPDX-License-Identifier: Apache-2.0

package bed

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestImpatient: a wait that takes too long says how many were there, and after which time it was given up.
func TestImpatient(t *testing.T) {
	c := &Crowd{listed: func() bool { return true }, here: map[client.ObjectKey]bool{{Name: "one"}: true}, changed: make(chan struct{})}
	ctx, cancel := Within(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.Await(ctx, 2); err == nil || err.Error() != "1 of 2 are there: not within 1ms" {
		t.Errorf("%v, want how many were there, and the time", err)
	}
	if _, err := c.Await(t.Context(), 1); err != nil {
		t.Error(err)
	}
	p := &Parent{looks: []Look{{Completed: 3}}, changed: make(chan struct{})}
	if _, err := p.Await(ctx, 4); err == nil || err.Error() != "the parent says 3 of 4: not within 1ms" {
		t.Errorf("%v, want what the parent says, and the time", err)
	}
}

// TestUnlisted: that nobody is known yet does not mean that nobody is there.
func TestUnlisted(t *testing.T) {
	c := &Crowd{listed: func() bool { return false }, changed: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(t.Context())
	refused := errors.New("refused")
	cancel(refused)
	if _, err := c.Await(ctx, 0); !errors.Is(err, refused) || !strings.HasPrefix(err.Error(), "who is there cannot be listed: ") {
		t.Errorf("%v, want that nobody could be listed", err)
	}
}
