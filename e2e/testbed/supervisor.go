// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"syscall"
	"time"
)

// startAttempts is how often a component is started that ends at once for a reason that passes.
const startAttempts = 3

// supervisor owns the processes of one fleet: it starts them, records them in testbed.json, notices when one ends,
// and stops them all.
type supervisor struct {
	dir      layout
	progress *progress

	mu        sync.Mutex
	processes map[string]*Process
	state     State // written to testbed.json
	stopping  bool

	failOnce sync.Once
	failed   chan struct{} // closed on the first unexpected end
	failure  error         // set before failed closes
}

func newSupervisor(dir layout, p *progress, state State) *supervisor {
	return &supervisor{dir: dir, progress: p, processes: map[string]*Process{}, state: state, failed: make(chan struct{})}
}

// fail records the first unexpected end of a process; later ones are its consequences.
func (s *supervisor) fail(err error) {
	s.mu.Lock()
	stopping := s.stopping
	s.mu.Unlock()
	if stopping {
		return
	}
	s.failOnce.Do(func() {
		s.failure = err
		close(s.failed)
	})
}

// start starts a process and records it; its end is not yet a failure.
func (s *supervisor) start(c Command) (*Process, error) {
	p := &Process{command: c, log: s.dir.log(c.Name), sup: s}
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return nil, fmt.Errorf("start %s: the fleet is stopping", c.Name)
	}
	if old := s.processes[c.Name]; old != nil && !isClosed(old.Done()) {
		s.mu.Unlock()
		return nil, fmt.Errorf("start %s: a process of that name runs already", c.Name)
	}
	err := p.start()
	if err == nil {
		s.processes[c.Name] = p
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return p, s.save()
}

// launch starts a component and waits until it is ready; from then on its end is a failure of the fleet. plan
// chooses the ports, and is asked again when the process ends for a reason that passes, such as a port that somebody else took between the choice and the bind.
func (s *supervisor) launch(ctx context.Context, plan func() (Command, probe, error)) (*Process, error) {
	start := time.Now()
	for attempt := 1; ; attempt++ {
		c, ready, err := plan()
		if err != nil {
			return nil, err
		}
		p, err := s.start(c)
		if err != nil {
			return nil, err
		}
		err = p.await(ctx, ready)
		if err == nil {
			p.guard()
			s.progress.say("%s ready in %s", c.Name, seconds(start))
			return p, nil
		}
		why := passes(err)
		if why == "" || attempt == startAttempts {
			return nil, err
		}
		s.progress.say("%s %s; starting it again", c.Name, why)
	}
}

// process returns a process by name, nil if there is none.
func (s *supervisor) process(name string) *Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.processes[name]
}

// stopAll ends every process: SIGTERM to all at once, SIGKILL to those that are left when the grace is over.
func (s *supervisor) stopAll() error {
	s.mu.Lock()
	s.stopping = true
	processes := make([]*Process, 0, len(s.processes))
	for _, p := range s.processes {
		processes = append(processes, p)
	}
	s.mu.Unlock()

	var group sync.WaitGroup
	errs := make([]error, len(processes))
	for i, p := range processes {
		group.Go(func() { errs[i] = p.Stop() })
	}
	group.Wait()
	return errors.Join(errs...)
}

// update changes what testbed.json says and writes it.
func (s *supervisor) update(change func(*State)) error {
	s.mu.Lock()
	change(&s.state)
	s.mu.Unlock()
	return s.save()
}

// save writes testbed.json, with the processes as they are now. A reader sees the old file or the new one.
func (s *supervisor) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Processes = s.state.Processes[:0]
	for name, p := range s.processes {
		s.state.Processes = append(s.state.Processes, ProcessState{Name: name, identity: p.current().id, Log: p.log})
	}
	sort.Slice(s.state.Processes, func(i, j int) bool { return s.state.Processes[i].Name < s.state.Processes[j].Name })
	return writeState(s.dir.state(), &s.state)
}

// killRecorded is the last line of defence: it kills recorded processes that outlived their supervisor.
func killRecorded(state *State) error {
	var left []error
	for _, p := range state.Processes {
		if !p.alive() {
			continue
		}
		if err := syscall.Kill(-p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			left = append(left, fmt.Errorf("kill %s (process %d): %w", p.Name, p.PID, err))
		}
	}
	return errors.Join(left...)
}
