// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"testing"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/google/go-cmp/cmp"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/live/simulated"
)

func TestSteering(t *testing.T) {
	w := view(t, simulated.Healthy(), 100, 20)
	w.press("p")
	w.has("pause the run?", "y: yes")
	w.press("n")
	w.press("p", "q") // any other key
	w.lacks("pause the run?")
	if len(w.source.asked) > 0 {
		t.Fatalf("asked for %v", w.source.asked)
	}
	w.press("p", "y")
	w.has("asked to pause")
	w.snapshot.Operation.Spec.Suspend = true
	w.press("j")
	w.has("p resume")
	w.press("p", "y", "c")
	w.has("cancel the run?")
	w.source.err = errors.New(`operations.ops.vworkspace.io "x" is forbidden`)
	w.press("y")
	w.has("not done: operations.ops.vworkspace.io")
	if diff := cmp.Diff([]string{"suspend true", "suspend false", "cancel"}, w.source.asked); diff != "" {
		t.Error(diff)
	}
	w.snapshot.Operation.Status.Phase = opsv1alpha1.PhaseFailed
	w.press("p")
	w.has("nothing to pause")
	w.press("c")
	w.has("nothing to cancel")
}

func TestLeave(t *testing.T) {
	for _, keys := range [][]string{{"q"}, {"esc"}, {"ctrl+c"}, {"enter", "q"}, {"enter", "esc", "esc"}, {"/", "ctrl+c"}, {"c", "ctrl+c"}, {"?", "q"}} {
		w := view(t, simulated.Healthy(), 100, 20)
		if last := w.press(keys...); last != (tea.QuitMsg{}) {
			t.Errorf("%v leads to %#v", keys, last)
		}
	}
}

func TestOver(t *testing.T) {
	ended := simulated.Healthy()
	ended.Operation.Status.Phase = opsv1alpha1.PhaseSucceeded
	gone := simulated.Healthy()
	gone.Gone = true
	for name, s := range map[string]follow.Snapshot{"ended": ended, "gone": gone} {
		w := view(t, s, 100, 20)
		if _, cmd := w.Update(news(s)); cmd == nil || cmd() == (tea.QuitMsg{}) {
			t.Errorf("%s: it must stay when told to", name)
		}
		w.options.Stay = false
		if _, cmd := w.Update(news(s)); cmd == nil || cmd() != (tea.QuitMsg{}) {
			t.Errorf("%s: it must quit", name)
		}
	}
}

func TestWhatClustersSayIsClean(t *testing.T) {
	s := simulated.Faults()
	s.Cells[1].Message = "one\x1b]0;title\x07 line\nand \x1b[31mmore\u202e\u200b"
	w := view(t, s, 120, 30)
	w.press("k", "enter")
	w.has("one ]0;title line and [31mmore")
}

// TestStateIsToldWithoutColour: a colour may say no more than the glyph does.
func TestStateIsToldWithoutColour(t *testing.T) {
	seen := map[string]string{}
	for _, l := range []look{lookSucceeded, lookFailed, lookRunning, lookWaiting, lookBlocked, lookTold, lookPending, lookCancelled, lookSkipped} {
		if other, twice := seen[l.glyph]; twice || lipgloss.Width(l.glyph) != 1 {
			t.Errorf("%s has the glyph %q, as %s, or it is not one column wide", l.word, l.glyph, other)
		}
		seen[l.glyph] = l.word
	}
}
