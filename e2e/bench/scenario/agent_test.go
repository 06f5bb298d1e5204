// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

// A process that is known: this one.
func TestMeasureAgent(t *testing.T) {
	a, err := MeasureAgent(t.Context(), os.Getpid(), time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if a.Anonymous < 1<<20 || a.File < 1<<20 || a.Resident < a.Anonymous+a.File || a.Peak < a.Resident {
		t.Errorf("not the memory of a process: %+v", a)
	}
}

func TestMeasureAgentEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := MeasureAgent(ctx, os.Getpid(), time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was canceled", err)
	}
}
