// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

func TestProcessLife(t *testing.T) {
	s := testSupervisor(t)
	p, err := s.start(shell("life", "echo run; exec sleep 1000"))
	if err != nil {
		t.Fatal(err)
	}
	p.guard()
	first := p.current().id
	if !first.alive() {
		t.Fatalf("process %d does not run", first.PID)
	}
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	if first.alive() || !p.current().id.alive() {
		t.Errorf("after Restart: first run alive %t, second %t; want only the second", first.alive(), p.current().id.alive())
	}
	if !p.current().isGuarded() {
		t.Error("after Restart the end of a guarded process would go unnoticed")
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if p.current().id.alive() {
		t.Error("after Stop the process runs")
	}
	if err := p.Kill(); err != nil {
		t.Errorf("Kill of a stopped process: %v", err)
	}
	if isClosed(s.failed) {
		t.Errorf("ends that were asked for count as a failure: %v", s.failure)
	}
}

func TestStopKillsWhatIgnoresIt(t *testing.T) {
	s := testSupervisor(t)
	p, err := s.start(shell("stubborn", "trap '' TERM; echo ready; while :; do sleep 1; done"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.await(t.Context(), logged(p, "ready")); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if p.current().id.alive() {
		t.Error("the process runs")
	}
}

func TestUnexpectedEnd(t *testing.T) {
	s := testSupervisor(t)
	p, err := s.start(shell("victim", "for i in $(seq 20); do echo line $i; done; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	p.guard() // also an end before this counts
	<-s.failed
	var exit *ExitError
	if !errors.As(s.failure, &exit) {
		t.Fatalf("got %v, want an *ExitError", s.failure)
	}
	if exit.Name != "victim" || exit.Status != "exit status 3" {
		t.Errorf("got %s, %s", exit.Name, exit.Status)
	}
	if len(exit.Tail) != tailLines || exit.Tail[tailLines-1] != "line 20" {
		t.Errorf("tail: got %q", exit.Tail)
	}
	if err := s.stopAll(); err != nil {
		t.Error(err)
	}
}

func TestLaunch(t *testing.T) {
	t.Run("waits until ready", func(t *testing.T) {
		s := testSupervisor(t)
		p, err := s.launch(t.Context(), func() (Command, probe, error) {
			return shell("slow", "sleep 0.2; echo ready; exec sleep 1000"), func(context.Context) error {
				return contains(s.dir.log("slow"), "ready")
			}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !p.current().isGuarded() {
			t.Error("its end would go unnoticed")
		}
	})
	for _, c := range []struct {
		name, says string
		ends       int // how often it ends at its start
		want       int // how often it is started
		fails      bool
	}{
		{"its port is taken", "listen tcp 127.0.0.1:1: bind: address already in use", 1, 2, false},
		{"its kubeconfig is half written", `F1124 02:51:26.690317 17247 cmd.go:182] kubeconfig does not contains context: `, 2, 3, false},
		{"its port is taken again and again", "address already in use", 10, startAttempts, true},
		{"something is wrong", "no such flag", 10, 1, true},
	} {
		t.Run("starts again when "+c.name, func(t *testing.T) {
			s := testSupervisor(t)
			attempts := 0
			_, err := s.launch(t.Context(), func() (Command, probe, error) {
				attempts++
				script := "echo '" + c.says + "'; exit 1"
				if attempts > c.ends {
					script = "echo it is well; exec sleep 1000"
				}
				return shell("unlucky", script), func(context.Context) error { return contains(s.dir.log("unlucky"), "it is well") }, nil
			})
			if attempts != c.want || (err != nil) != c.fails {
				t.Errorf("got %d attempts and error %v", attempts, err)
			}
			if isClosed(s.failed) {
				t.Errorf("what passes counts as a failure: %v", s.failure)
			}
		})
	}
	t.Run("names what is not ready in time", func(t *testing.T) {
		s := testSupervisor(t)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := s.launch(ctx, func() (Command, probe, error) {
			return shell("never", "echo still waiting; exec sleep 1000"), func(context.Context) error { return errors.New("no lease") }, nil
		})
		for _, part := range []string{"never is not ready", "no lease", "still waiting"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("error does not say %q: %v", part, err)
			}
		}
	})
}

func TestStopAllEndsEverything(t *testing.T) {
	s := testSupervisor(t)
	var ids []identity
	for _, name := range []string{"a", "b", "c"} {
		// A child of the child: it must go too.
		p, err := s.start(shell(name, "sleep 1000 & echo child $!; wait"))
		if err != nil {
			t.Fatal(err)
		}
		p.guard()
		if err := p.await(t.Context(), logged(p, "child")); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, p.current().id, child(t, p))
	}
	if err := s.stopAll(); err != nil {
		t.Fatal(err)
	}
	state, err := ReadState(s.dir.dir)
	if err != nil || len(state.Processes) != 3 {
		t.Fatalf("testbed.json: %+v, %v", state, err)
	}
	for _, id := range ids {
		// The child of a child was sent SIGKILL, which is certain but not instant.
		err := wait.PollUntilContextTimeout(t.Context(), probeEvery, killGrace, true, func(context.Context) (bool, error) {
			return !id.alive(), nil
		})
		if err != nil {
			t.Errorf("process %d runs", id.PID)
		}
	}
	if _, err := s.start(shell("late", "sleep 1000")); err == nil {
		t.Error("a process was started after stopAll")
	}
	if isClosed(s.failed) {
		t.Errorf("stopping counts as a failure: %v", s.failure)
	}
}

// child identifies the process that p says it has started.
func child(t *testing.T, p *Process) identity {
	t.Helper()
	var pid int
	if _, err := fmt.Sscanf(strings.Join(tailFile(p.Log(), 1), ""), "child %d", &pid); err != nil {
		t.Fatal(err)
	}
	id, err := identify(pid)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func testSupervisor(t *testing.T) *supervisor {
	t.Helper()
	l := layout{t.TempDir()}
	if err := os.MkdirAll(l.logs(), 0o755); err != nil {
		t.Fatal(err)
	}
	s := newSupervisor(l, newProgress(t.Output()), State{})
	t.Cleanup(func() {
		if err := s.stopAll(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func shell(name, script string) Command {
	return Command{Name: name, Path: "/bin/sh", Args: []string{"-c", script}}
}

func logged(p *Process, text string) probe {
	return func(context.Context) error { return contains(p.Log(), text) }
}

func contains(path, text string) error {
	data, err := os.ReadFile(path)
	if err == nil && !strings.Contains(string(data), text) {
		err = errors.New("not yet")
	}
	return err
}
