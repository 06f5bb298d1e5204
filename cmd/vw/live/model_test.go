// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	xansi "github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/live/simulated"
	"vworkspace.io/fleet/placement"
)

var update = flag.Bool("update", false, "write the golden frames anew")

func now() time.Time { return simulated.Now }

// watcher is a view of a run that a test steers.
type watcher struct {
	*Model
	t      *testing.T
	source *steered
}

// steered source takes note of what it is asked for.
type steered struct {
	simulated.Source
	asked []string
	err   error
}

func (s *steered) Suspend(_ context.Context, suspend bool) error {
	s.asked = append(s.asked, fmt.Sprint("suspend ", suspend))
	return s.err
}

func (s *steered) Cancel(context.Context) error {
	s.asked = append(s.asked, "cancel")
	return s.err
}

func view(t *testing.T, s follow.Snapshot, width, height int) *watcher {
	t.Helper()
	source := &steered{Source: simulated.Source{Shown: s}}
	m := NewModel(t.Context(), source, Options{Program: "vw", Now: now, Stay: true})
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	w := &watcher{m, t, source}
	w.frame()
	return w
}

// frame as text, which is of the terminal's size whatever it shows.
func (w *watcher) frame() string {
	w.t.Helper()
	lines := w.Lines()
	if len(lines) != w.height {
		w.t.Errorf("%d lines on a terminal of %d", len(lines), w.height)
	}
	for i, line := range lines {
		if n := lipgloss.Width(line); n > w.width {
			w.t.Errorf("line %d has %d columns on a terminal of %d: %q", i, n, w.width, xansi.Strip(line))
		}
		lines[i] = strings.TrimRight(xansi.Strip(line), " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

var named = map[string]rune{
	"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "down": tea.KeyDown, "up": tea.KeyUp, "left": tea.KeyLeft, "right": tea.KeyRight,
	"backspace": tea.KeyBackspace, "end": tea.KeyEnd, "home": tea.KeyHome, "pgdown": tea.KeyPgDown,
}

// press keys, with a frame after each, and return what the last one asks the program for.
func (w *watcher) press(keys ...string) (last tea.Msg) {
	w.t.Helper()
	for _, key := range keys {
		msg := tea.KeyPressMsg{Text: key}
		if code, special := named[key]; special {
			msg = tea.KeyPressMsg{Code: code}
		} else if key == "ctrl+c" {
			msg = tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}
		} else {
			msg.Code = []rune(key)[0]
		}
		last = nil
		if _, cmd := w.Update(msg); cmd != nil {
			last = cmd()
			w.Update(last)
		}
		w.frame()
	}
	return last
}

func (w *watcher) has(parts ...string) {
	w.t.Helper()
	frame := w.frame()
	for _, part := range parts {
		if !strings.Contains(frame, part) {
			w.t.Errorf("the frame lacks %q:\n%s", part, frame)
		}
	}
}

func (w *watcher) lacks(parts ...string) {
	w.t.Helper()
	frame := w.frame()
	for _, part := range parts {
		if strings.Contains(frame, part) {
			w.t.Errorf("the frame has %q:\n%s", part, frame)
		}
	}
}

func TestFrames(t *testing.T) {
	for _, run := range []struct {
		name string
		make func() follow.Snapshot
		keys []string
	}{
		{"healthy", simulated.Healthy, nil},
		{"faults", simulated.Faults, nil},
		{"fleet-500", func() follow.Snapshot { return simulated.Fleet(500, 0.55) }, nil},
		{"fleet-10000", func() follow.Snapshot { return simulated.Fleet(10000, 0.4) }, nil},
		{"failed", func() follow.Snapshot { return simulated.Fleet(500, 0.55) }, []string{"f", "f"}},
		{"cluster", simulated.Faults, []string{"k", "enter"}},
		{"keys", simulated.Healthy, []string{"?"}},
		{"pending", pending, nil},
		{"spoke", onSpoke, nil},
		{"disconnected", disconnected, nil},
	} {
		for _, size := range []struct{ width, height int }{{40, 14}, {80, 24}, {160, 40}} {
			t.Run(fmt.Sprintf("%s-%d", run.name, size.width), func(t *testing.T) {
				w := view(t, run.make(), size.width, size.height)
				w.press(run.keys...)
				golden(t, fmt.Sprintf("%s-%d.txt", run.name, size.width), w.frame())
			})
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("not the frame of testdata/%s (-want +got; go test -update writes it anew):\n%s", name, diff)
	}
}

// pending run that nothing is planned of.
func pending() follow.Snapshot {
	s := simulated.Healthy()
	s.Operation.Status = opsv1alpha1.OperationStatus{
		Phase: opsv1alpha1.PhasePending, Blocked: true, Reason: opsv1alpha1.ReasonPlacementNotFound,
		Message: `spec.placement.placementRef.name: there is no Placement "all" in namespace shops`,
	}
	s.Groups, s.Cells = nil, nil
	return s
}

// onSpoke is a run of a cluster alone.
func onSpoke() follow.Snapshot {
	s := simulated.Faults()
	s.Spoke, s.Groups = true, []follow.Group{{To: len(s.Cells)}}
	s.Operation.Spec.Placement, s.Operation.Spec.Selector = nil, &opsv1alpha1.InstanceSelector{Names: []string{"web"}}
	for i := range s.Cells {
		s.Cells[i].Cluster, s.Cells[i].Instances = "shop-"+s.Cells[i].Cluster+"/web", opsv1alpha1.Counts{}
	}
	return s
}

func disconnected() follow.Snapshot {
	s := simulated.Faults()
	s.Down, s.Why = simulated.Now.Add(-12*time.Second), "dial tcp 127.0.0.1:6443: connect: connection refused"
	s.Missing = []string{"no right to list manifestworks in all namespaces: clusters are shown as the hub last wrote them down, some seconds to minutes late"}
	return s
}

func TestSmallTerminals(t *testing.T) {
	for _, s := range []follow.Snapshot{simulated.Healthy(), simulated.Faults(), simulated.Fleet(1000, 0.5), pending(), disconnected()} {
		for _, size := range []struct{ width, height int }{{1, 1}, {3, 2}, {10, 4}, {20, 8}, {40, 10}, {40, 16}, {60, 17}, {300, 100}} {
			w := view(t, s, size.width, size.height)
			w.press("j", "l", "end", "tab", "j", "enter", "esc", "tab", "?", "j", "esc", "f", "f", "enter", "esc", "/", "x", "enter", "p", "n") // frame() tells what is too large
		}
	}
}

func TestFoldedWhenItDoesNotFit(t *testing.T) {
	w := view(t, simulated.Fleet(10000, 0.4), 120, 30)
	w.has("eu-north  1425/2475", "eu-north-1426 running") // where the run is, below its group's head
	w.press("home")
	w.has("canary  100/100  ", "lines 1-")
	if row := w.grid.rows[1]; !row.head() {
		t.Errorf("a group that is done is %+v, not folded", row)
	}
	w.press("f") // running: what was asked for is not folded
	w.has("running: ", " of 10000")
}

func TestMove(t *testing.T) {
	w := view(t, simulated.Fleet(1000, 0.62), 120, 36)
	at := func(want string) {
		t.Helper()
		if got := w.cell().Cluster; got != want {
			t.Errorf("at %s, want %s", got, want)
		}
	}
	at("us-east-117") // the first that has not ended
	w.press("home")
	at("canary-01")
	w.press("l", "right")
	at("canary-03")
	w.press("j")
	at("eu-west-003")
	w.press("down", "h")
	at("eu-west-120")
	w.press("k", "up", "up")
	at("canary-02")
	w.press("end")
	at("ap-south-248")
	w.press("l", "j")
	at("ap-south-248")
	w.press("home", "left")
	at("canary-01")
	w.press("pgdown")
	at("ap-south-001")

	// The selected cell stays when others come.
	grown := simulated.Fleet(1000, 0.9)
	w.Update(news(grown))
	at("ap-south-001")
}

func TestMoveOverFolded(t *testing.T) {
	w := view(t, simulated.Fleet(10000, 0.4), 120, 30)
	w.press("home")
	first := w.cell().Cluster
	if strings.HasPrefix(first, "canary") {
		t.Errorf("at %s, which is folded", first)
	}
	w.press("left")
	if got := w.cell().Cluster; got != first {
		t.Errorf("went left of the first to %s", got)
	}
	w.press("end", "right")
	if got := w.cell().Cluster; !strings.HasPrefix(got, "ap-south") {
		t.Errorf("the last is %s", got)
	}
	w.has("of 68") // lines x-y of 68: scrolled
}

func TestFilterAndFind(t *testing.T) {
	w := view(t, simulated.Fleet(500, 0.55), 100, 30)
	for _, want := range []string{"running: 17 of 500", "failed: 11 of 500", "blocked: 3 of 500", "pending: 207 of 500"} {
		w.press("f")
		w.has(want)
	}
	w.press("f")
	if where := w.where(); where != "" {
		t.Errorf("all are shown, and the foot says %q", where)
	}
	w.press("/", "n", "o", "r", "x", "backspace")
	w.has("/nor", "enter: keep")
	w.press("enter")
	w.has(`named like "nor": 124 of 500`)
	w.press("f", "f")
	w.has(`failed and named like "nor": 5 of 500`)
	w.press("esc")
	if where := w.where(); where != "" {
		t.Errorf("all are shown, and the foot says %q", where)
	}
	w.press("/", "z", "z")
	w.has(`no cluster is named like "zz"`)
	w.press("enter", "j", "enter") // on nothing
	w.press("esc")
	w.lacks("named like")
}

func TestOpenFailure(t *testing.T) {
	w := view(t, simulated.Faults(), 100, 30)
	w.press("tab", "j", "enter")
	w.has("cluster oslo-1", "HelmUpgradeFailed", "vw describe op upgrade-24-9 -n shops --cluster oslo-1", "oslo-1/upgrade-24-9-")
	w.press("esc", "tab")
	w.has("q quit")
}

func TestFailuresComeNewestFirst(t *testing.T) {
	s := simulated.Healthy()
	w := view(t, s, 100, 30)
	w.lacks("failures")
	for n, name := range []int{2, 0} {
		s.Cells = append([]placement.ClusterResult(nil), s.Cells...)
		s.Cells[name].State, s.Cells[name].Reason, s.Cells[name].Message = placement.Failed, "BackupFailed", "the store is full"
		w.Update(news(s))
		w.has(fmt.Sprintf("failures (%d)", n+1))
		s.Cells[name].FinishedAt = simulated.Now.Add(-time.Hour) // a clock that is slow puts nothing out of order
	}
	w.options.Now = func() time.Time { return simulated.Now.Add(time.Minute) }
	s.Cells = append([]placement.ClusterResult(nil), s.Cells...)
	s.Cells[1].State, s.Cells[1].Reason = placement.Failed, "BackupFailed"
	w.Update(news(s))
	if got := w.failures.list[0].cell.Cluster; got != "oslo-1" {
		t.Errorf("the newest is %s", got)
	}

	// One that is tried again has not failed.
	s.Cells = append([]placement.ClusterResult(nil), s.Cells...)
	s.Cells[1] = placement.ClusterResult{Cluster: "oslo-1", Attempt: 1}
	w.Update(news(s))
	w.has("failures (2)")
}
