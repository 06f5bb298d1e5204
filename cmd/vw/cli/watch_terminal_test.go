// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/vwtest"
	"vworkspace.io/fleet/placement"
)

// terminal that a person sits at.
type terminal struct {
	t      *testing.T
	user   *os.File // the person's end
	tty    *os.File // the program's end
	screen *vt.SafeEmulator
	raw    stream // all that was written
}

func newTerminal(t *testing.T, columns, rows int) *terminal {
	t.Helper()
	user, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(tty, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}); err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, user: user, tty: tty, screen: vt.NewSafeEmulator(columns, rows)}
	t.Cleanup(func() { _, _, _ = tty.Close(), user.Close(), term.screen.Close() })
	go func() { _, _ = io.Copy(io.MultiWriter(term.screen, &term.raw), user) }()
	go func() { _, _ = io.Copy(user, term.screen) }() // what a terminal answers when it is asked what it can do
	return term
}

func (term *terminal) shows(part string) {
	term.t.Helper()
	eventually(term.t, part, term.screen.String, func() bool { return strings.Contains(term.screen.String(), part) })
}

func (term *terminal) types(keys string) {
	term.t.Helper()
	if _, err := io.WriteString(term.user, keys); err != nil {
		term.t.Fatal(err)
	}
}

// state of the program's end: whether keys are echoed, lines edited and so on.
func (term *terminal) state() unix.Termios {
	term.t.Helper()
	state, err := unix.IoctlGetTermios(int(term.tty.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	return *state
}

// watch in the terminal; the channel has the exit status.
func (term *terminal) watch(args ...string) <-chan int {
	env := newEnv("v0.0.0-test", genericiooptions.IOStreams{In: term.tty, Out: term.tty, ErrOut: io.Discard})
	status := make(chan int, 1)
	root := newRoot(env, "vw")
	go func() {
		status <- execute(term.t.Context(), env, root, append([]string{"--kubeconfig", kubeconfig, "watch"}, args...))
	}()
	return status
}

func TestWatchAtATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	ns := namespace(t)
	run := vwtest.Seed(t, api, ns, "nightly", vwtest.Group("canary", 1), vwtest.Group("rest", 2))
	term := newTerminal(t, 100, 30)
	before := term.state()
	status := term.watch("nightly", "-n", ns)
	term.shows(ns + "/nightly")
	term.shows("canary  0/1")
	run.Report(t, "rest-0", placement.ClusterResult{State: placement.Failed, Reason: "BackupFailed", Message: "the store is full"})
	term.shows("failures (1)")
	if !strings.Contains(term.raw.String(), "\x1b[31;1m") {
		t.Errorf("a failure is not red: %q", term.raw.String())
	}

	term.types("\t\r") // to the failures, open
	term.shows("cluster " + run.Cluster("rest-0"))
	term.shows("vw describe op nightly -n " + ns + " --cluster " + run.Cluster("rest-0"))
	term.types("x") // back
	term.shows("p pause")
	term.types("p")
	term.shows("pause the run?")
	term.types("y")
	term.shows("asked to pause")
	var op opsv1alpha1.Operation
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(run.Operation), &op); err != nil || !op.Spec.Suspend {
		t.Errorf("spec.suspend is %t, %v", op.Spec.Suspend, err)
	}
	if err := pty.Setsize(term.tty, &pty.Winsize{Cols: 60, Rows: 20}); err != nil {
		t.Fatal(err)
	}

	run.End(t, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "1 of 3 clusters failed", opsv1alpha1.Counts{Total: 3, Succeeded: 2, Failed: 1})
	if got := <-status; got != ExitNo {
		t.Errorf("exit status %d, want %d", got, ExitNo)
	}
	term.shows("Try again: vw retry nightly -n " + ns + " --failed") // on the normal screen
	if term.screen.IsAltScreen() {
		t.Error("the terminal is left on its alternate screen")
	}
	if after := term.state(); after != before {
		t.Errorf("the terminal is left as %+v, it was %+v", after, before)
	}
}

func TestWatchIsLeft(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "1")
	ns := namespace(t)
	vwtest.Seed(t, api, ns, "nightly", vwtest.Group("all", 3))
	term := newTerminal(t, 80, 24)
	before := term.state()
	status := term.watch("nightly", "-n", ns)
	term.shows("q quit")
	term.types("q")
	if got := <-status; got != ExitOK {
		t.Errorf("exit status %d, want %d", got, ExitOK)
	}
	term.shows("It goes on. Look again: vw watch nightly -n " + ns)
	if after := term.state(); after != before {
		t.Errorf("the terminal is left as %+v, it was %+v", after, before)
	}
	for _, color := range []string{"\x1b[3", "\x1b[9", ";3", "[38;"} {
		if strings.Contains(term.raw.String(), color) {
			t.Errorf("it is coloured with NO_COLOR: %q in %q", color, term.raw.String())
			break
		}
	}
}
