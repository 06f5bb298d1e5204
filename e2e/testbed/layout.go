// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// supervisorLog is the log of a detached supervisor.
const supervisorLog = "supervisor"

// layout knows where things are in a fleet's folder:
//
//	testbed.json                 State
//	hub.kubeconfig               admin of the hub, and one per spoke
//	logs/PROCESS.log
//	data/                        certificates, etcd, what OCM and Flux keep; of no interest to users
type layout struct{ dir string }

func (l layout) state() string              { return filepath.Join(l.dir, "testbed.json") }
func (l layout) lock() string               { return filepath.Join(l.dir, ".lock") }
func (l layout) kubeconfig(c string) string { return filepath.Join(l.dir, c+".kubeconfig") }
func (l layout) logs() string               { return filepath.Join(l.dir, "logs") }
func (l layout) log(process string) string  { return filepath.Join(l.logs(), process+".log") }
func (l layout) data(parts ...string) string {
	return filepath.Join(append([]string{l.dir, "data"}, parts...)...)
}

// prepare makes a folder ready for a new fleet and holds it until unlock. It refuses one that holds a live fleet, or
// anything that is not a fleet's; what a dead fleet left there is removed.
func prepare(dir string) (l layout, unlock func(), err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return l, nil, err
	}
	l = layout{dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return l, nil, fmt.Errorf("create the fleet's folder: %w", err)
	}
	unlock, free, err := tryLock(l.lock())
	if err != nil {
		return l, nil, err
	}
	if !free {
		return l, nil, fmt.Errorf("%s holds a fleet that runs; stop it first with: "+
			"go run ./e2e/testbed/cmd down --dir %s", dir, dir)
	}
	if err := l.clear(); err != nil {
		unlock()
		return l, nil, err
	}
	return l, unlock, nil
}

// clear removes a dead fleet.
func (l layout) clear() error {
	state, err := ReadState(l.dir)
	if err != nil {
		return err
	}
	if state == nil {
		return l.mustBeEmpty()
	}
	if err := killRecorded(state); err != nil {
		return fmt.Errorf("clean up the dead fleet in %s: %w", l.dir, err)
	}
	return l.clean()
}

func (l layout) mustBeEmpty() error {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("look into the fleet's folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(l.lock()) && e.Name() != filepath.Base(l.logs()) {
			return fmt.Errorf("%s is not empty and holds no fleet (found %s); choose another folder", l.dir, e.Name())
		}
	}
	return nil
}

// clean removes what a fleet writes, and nothing else.
func (l layout) clean() error {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("clean the fleet's folder: %w", err)
	}
	var errs []error
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "data", name == "testbed.json", strings.HasSuffix(name, ".kubeconfig"):
			errs = append(errs, os.RemoveAll(filepath.Join(l.dir, name)))
		case name == "logs":
			errs = append(errs, l.cleanLogs())
		}
	}
	return errors.Join(errs...)
}

// cleanLogs keeps the supervisor's log: a detached supervisor already writes to it.
func (l layout) cleanLogs() error {
	logs, err := filepath.Glob(l.log("*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range logs {
		if path != l.log(supervisorLog) {
			errs = append(errs, os.Remove(path))
		}
	}
	return errors.Join(errs...)
}
