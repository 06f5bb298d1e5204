// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vworkspace.io/fleet/e2e/testbed"
)

// detachedFlag marks the process that --detach leaves behind.
const detachedFlag = "detached"

// detach starts this program again as a background supervisor, in a session of its own so that the terminal's
// signals do not reach it, and shows its progress until the fleet is up.
func detach(ctx context.Context, o upOptions, out io.Writer) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "vworkspace-fleet-")
		if err != nil {
			return err
		}
		o.dir = dir
	}
	if state, err := testbed.ReadState(o.dir); err != nil {
		return err
	} else if state != nil && len(state.Live()) > 0 {
		return fmt.Errorf("%s holds a fleet that runs; stop it first with: go run ./e2e/testbed/cmd down --dir %s", o.dir, o.dir)
	}
	path := filepath.Join(o.dir, "logs", "supervisor.log")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	exited, cmd, err := startSupervisor(o, path)
	if err != nil {
		return err
	}
	log, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // only read
	err = follow(ctx, log, out, o.dir, exited)
	if ctx.Err() != nil {
		err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), <-exited)
	}
	return err
}

func startSupervisor(o upOptions, path string) (<-chan error, *exec.Cmd, error) {
	log, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = log.Close() }() // the supervisor has its own descriptor
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	args := []string{"up", "--" + detachedFlag, "--dir", o.dir, "--clusters", strconv.Itoa(o.clusters), "--grpc", strconv.Itoa(o.grpc), "--timeout", o.timeout.String()}
	if len(o.charts) > 0 {
		args = append(args, "--charts", strings.Join(o.charts, ","))
	}
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start the supervisor: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	return exited, cmd, nil
}

// follow copies the supervisor's log until the fleet is up or the supervisor has ended.
func follow(ctx context.Context, log io.Reader, out io.Writer, dir string, exited <-chan error) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		state, err := testbed.ReadState(dir)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, log); err != nil {
			return err
		}
		if state != nil && state.Phase == testbed.PhaseUp {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-exited:
			_, copyErr := io.Copy(out, log)
			return errors.Join(fmt.Errorf("the fleet did not start (%w); see above", err), copyErr)
		case <-ticker.C:
		}
	}
}
