// SPDX-License-Identifier: Apache-2.0

package race

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vworkspace.io/fleet/e2e/bench/arms"
)

// runner is an arm of which only the name is asked.
type runner struct {
	arms.Arm
	name string
}

func (r runner) Name() string { return r.name }

var both = []arms.Arm{runner{name: "a"}, runner{name: "b"}}

// script is a race without a bed: it keeps the turns in order, and some of them fail.
type script struct {
	fails    map[string]error // by the turn's name
	turns    []string
	measured []Round
	failed   []Failed
	told     []string
	full     error // what taking a note returns
}

func (s *script) track() Track {
	return Track{
		Grow: func(_ context.Context, n int) error { s.turns = append(s.turns, fmt.Sprint("grow-", n)); return nil },
		Tell: func(format string, args ...any) { s.told = append(s.told, fmt.Sprintf(format, args...)) },
		Turn: func(_ context.Context, arm arms.Arm, name string, n int) (Round, error) {
			s.turns = append(s.turns, name)
			return Round{Arm: arm.Name(), N: n}, s.fails[name]
		},
	}
}

func (s *script) Measured(r Round) error { s.measured = append(s.measured, r); return s.full }

func (s *script) Failed(f Failed) error { s.failed = append(s.failed, f); return s.full }

// TestFailingTurn: it is noted and told, and costs nobody else a turn, nor its arm the next one.
func TestFailingTurn(t *testing.T) {
	s := &script{fails: map[string]error{"a-5-2": errors.New("hung"), "a-5-3": errors.New("hung again")}}
	if err := s.track().Run(t.Context(), both, []int{5}, 4, s); err != nil {
		t.Fatal(err)
	}
	if want := strings.Fields("grow-5 a-5-1 b-5-1 b-5-2 a-5-2 a-5-3 b-5-3 b-5-4 a-5-4"); !slices.Equal(s.turns, want) {
		t.Errorf("%v, want %v", s.turns, want)
	}
	if want := []Failed{{"a", 5, 2, "hung"}, {"a", 5, 3, "hung again"}}; !slices.Equal(s.failed, want) {
		t.Errorf("%v, want %v", s.failed, want)
	}
	var rounds []string
	for _, r := range s.measured {
		rounds = append(rounds, fmt.Sprint(r.Arm, r.Round))
	}
	if want := strings.Fields("a1 b1 b2 b3 b4 a4"); !slices.Equal(rounds, want) {
		t.Errorf("measured %v, want %v", rounds, want)
	}
	if !slices.ContainsFunc(s.told, func(line string) bool {
		return strings.HasPrefix(line, "failed: a with 5 clusters, round 2: hung (turn ")
	}) {
		t.Errorf("not told: %q", s.told)
	}
}

// TestHopeless: an arm whose first two turns fail has no third with as many clusters, but has its turns with another number.
func TestHopeless(t *testing.T) {
	s := &script{fails: map[string]error{"a-5-1": errors.New("hung"), "a-5-2": errors.New("hung")}}
	if err := s.track().Run(t.Context(), both, []int{5, 6}, 3, s); err != nil {
		t.Fatal(err)
	}
	if want := strings.Fields("grow-5 a-5-1 b-5-1 b-5-2 a-5-2 b-5-3 grow-6 a-6-1 b-6-1 b-6-2 a-6-2 a-6-3 b-6-3"); !slices.Equal(s.turns, want) {
		t.Errorf("%v, want %v", s.turns, want)
	}
}

// TestBrokenOff: the end of the context ends a race at once, and is no failure of the arm whose turn it was.
func TestBrokenOff(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	s := &script{}
	track := s.track()
	track.Turn = func(context.Context, arms.Arm, string, int) (Round, error) {
		cancel(interrupted)
		return Round{}, context.Cause(ctx)
	}
	err := track.Run(ctx, both, []int{5, 6}, 2, s)
	if !errors.Is(err, interrupted) || !strings.HasPrefix(err.Error(), "a with 5 clusters: ") {
		t.Errorf("%v, want that of the context, with the turn's arm", err)
	}
	if len(s.failed) > 0 || len(s.turns) > 1 {
		t.Errorf("noted %v, after it %v", s.failed, s.turns)
	}
}

// TestFullDisk: a race whose results cannot be written down is over.
func TestFullDisk(t *testing.T) {
	for name, s := range map[string]*script{
		"measured": {full: errors.New("disk full")}, "failed": {full: errors.New("disk full"), fails: map[string]error{"a-5-1": errors.New("hung")}},
	} {
		if err := s.track().Run(t.Context(), both, []int{5}, 2, s); !errors.Is(err, s.full) || len(s.turns) != 2 {
			t.Errorf("%s: %v after %v, want %v after one turn", name, err, s.turns, s.full)
		}
	}
}
