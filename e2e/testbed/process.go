// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end by itself. Nothing that the testbed runs has state worth more.
const stopGrace = 3 * time.Second

// Command says what a supervised process runs.
type Command struct {
	Name string   // unique in the fleet; its log is DIR/logs/NAME.log
	Path string   // the binary
	Args []string // without the binary's name
	Env  []string // KEY=VALUE, added to this process' environment
	Dir  string   // working directory; this process' own by default
}

// Process is a supervised process: it ends when the fleet does, or when the process that called Up does.
// It outlives its runs: Restart starts the same command again.
type Process struct {
	command Command
	log     string
	sup     *supervisor

	mu  sync.Mutex // held while starting and stopping, so that one run follows another
	run atomic.Pointer[run]
}

// run is one life of a Process.
type run struct {
	id     identity
	status error         // why it ended, nil for exit status 0; set before done closes
	done   chan struct{} // closed when it has ended

	mu       sync.Mutex
	expected bool // its end is wanted: it is being stopped
	guarded  bool // its end is a failure of the fleet
}

// ExitError reports a process that ended by itself.
type ExitError struct {
	Name   string   // of the process
	Status string   // "exit status 1", "signal: killed"
	Log    string   // path
	Tail   []string // the log's last lines
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%s ended unexpectedly (%s); the last lines of %s:\n%s", e.Name, e.Status, e.Log, indent(e.Tail))
}

// Name is the process' name, unique in its fleet.
func (p *Process) Name() string { return p.command.Name }

// Log is the path of the process' log. Every run appends to it.
func (p *Process) Log() string { return p.log }

// Command is what the process runs: a variant of it can be started under another name.
func (p *Process) Command() Command {
	c := p.command
	c.Args, c.Env = slices.Clone(c.Args), slices.Clone(c.Env)
	return c
}

// PID is the current run's process id, or the last one's if the process does not run.
func (p *Process) PID() int { return p.current().id.PID }

// Done is closed when the current run has ended.
func (p *Process) Done() <-chan struct{} { return p.current().done }

// AwaitHealthy waits until a health endpoint of the current run answers 200, and fails as soon as the process ends.
func (p *Process) AwaitHealthy(ctx context.Context, url string) error {
	return p.await(ctx, httpReady(url))
}

// Signal sends a signal to the current run, for instance SIGSTOP and SIGCONT to simulate a hang.
func (p *Process) Signal(sig syscall.Signal) error {
	return p.current().signal(sig)
}

// Kill ends the current run with SIGKILL and waits until it is gone. The fleet goes on without it.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end(0)
}

// Stop ends the current run with SIGTERM, after a grace of 3 seconds with SIGKILL, and waits until it is gone.
// The fleet goes on without it.
func (p *Process) Stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end(stopGrace)
}

// Restart kills the current run, if it still runs, and starts the command again. It does not wait until the
// new run is ready: only its caller knows what that means.
func (p *Process) Restart() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.end(0); err != nil {
		return err
	}
	guarded := p.current().isGuarded()
	if err := p.start(); err != nil {
		return err
	}
	if guarded {
		p.guard()
	}
	return p.sup.save()
}

func (p *Process) current() *run { return p.run.Load() }

// start begins a run. The caller holds p.mu, or is the only one who knows p.
func (p *Process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.command.Name, err)
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor

	cmd := exec.Command(p.command.Path, p.command.Args...)
	cmd.Env = append(os.Environ(), p.command.Env...)
	cmd.Dir = p.command.Dir
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own keeps the terminal's Ctrl-C for the supervisor; the death signal covers its kill -9.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := spawn(cmd); err != nil {
		return fmt.Errorf("start %s: %w", p.command.Name, err)
	}
	r := &run{done: make(chan struct{})}
	// The child cannot be reaped before Wait below, so this reads the child, never a namesake.
	if r.id, err = identify(cmd.Process.Pid); err != nil {
		r.id = identity{PID: cmd.Process.Pid}
	}
	p.run.Store(r)
	go p.wait(cmd, r)
	return nil
}

// wait reaps the run, and whatever it left in its process group.
func (p *Process) wait(cmd *exec.Cmd, r *run) {
	err := cmd.Wait()
	_ = syscall.Kill(-r.id.PID, syscall.SIGKILL)
	r.mu.Lock()
	r.status = err
	close(r.done)
	failure := r.guarded && !r.expected
	r.mu.Unlock()
	if failure {
		p.sup.fail(p.exitError(r))
	}
}

// guard makes an unexpected end of the current run a failure of the fleet, also if it has happened already.
func (p *Process) guard() {
	r := p.current()
	r.mu.Lock()
	r.guarded = true
	ended, expected := isClosed(r.done), r.expected
	r.mu.Unlock()
	if ended && !expected {
		p.sup.fail(p.exitError(r))
	}
}

// end ends the current run and waits for it; with no grace it kills at once. The caller holds p.mu.
func (p *Process) end(grace time.Duration) error {
	r := p.current()
	r.mu.Lock()
	r.expected = true
	r.mu.Unlock()
	if grace > 0 {
		if err := r.signal(syscall.SIGTERM); err != nil {
			return err
		}
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-r.done:
			return nil
		case <-timer.C:
		}
	}
	if err := r.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-r.done
	return nil
}

// await waits until ready says yes, and fails as soon as the process ends.
func (p *Process) await(ctx context.Context, ready probe) error {
	r := p.current()
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	var last error
	for {
		if last = ready(ctx); last == nil {
			return nil
		}
		select {
		case <-r.done:
			return p.exitError(r)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready (%w): %w; the last lines of %s:\n%s",
				p.command.Name, context.Cause(ctx), last, p.log, indent(tailFile(p.log, tailLines)))
		case <-ticker.C:
		}
	}
}

func (p *Process) exitError(r *run) *ExitError {
	status := "exit status 0"
	if r.status != nil {
		status = r.status.Error()
	}
	return &ExitError{Name: p.command.Name, Status: status, Log: p.log, Tail: tailFile(p.log, tailLines)}
}

// signal signals the run's process group; to one that has ended it does nothing.
func (r *run) signal(sig syscall.Signal) error {
	if isClosed(r.done) {
		return nil
	}
	if err := syscall.Kill(-r.id.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", sig, r.id.PID, err)
	}
	return nil
}

func (r *run) isGuarded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.guarded
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// passing is what a process may say when it ends at its start though nothing is wrong, and why. A kubelet would start it again.
var passing = map[string]string{
	"address already in use": "lost its port to another process",
	// The klusterlet reads the hub's kubeconfig once a second, also while it is writing it (ocm v1.2.1, pkg/registration/spoke).
	"kubeconfig does not contains context": "read its own kubeconfig half written",
}

// passes tells why a process that ended by itself should be started again; "" when it should not.
func passes(err error) string {
	var exit *ExitError
	if !errors.As(err, &exit) {
		return ""
	}
	said := strings.Join(exit.Tail, "\n")
	for words, why := range passing {
		if strings.Contains(said, words) {
			return why
		}
	}
	return ""
}
