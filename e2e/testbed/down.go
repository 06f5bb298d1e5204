// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// supervisorGrace is how long a supervisor may take to stop its fleet; its processes have stopGrace of it.
	supervisorGrace = 20 * time.Second
	// killGrace is how long the kernel may take to end processes that were sent SIGKILL.
	killGrace = 10 * time.Second
)

// Down stops the fleet in a folder, whichever process supervises it, and returns when none of its processes is left.
// A folder without a fleet, or with one that is down already, is no error.
func Down(ctx context.Context, dir string) error {
	state, err := ReadState(dir)
	if err != nil || state == nil {
		return err
	}
	if state.Supervisor.alive() {
		if err := end(ctx, state.Supervisor, syscall.SIGTERM, supervisorGrace); err != nil {
			// It hangs. Without it, the kernel kills everything that it started.
			if err := end(ctx, state.Supervisor, syscall.SIGKILL, killGrace); err != nil {
				return fmt.Errorf("stop the supervisor: %w", err)
			}
		}
	}
	// A process may have been restarted since the first look.
	if state, err = ReadState(dir); err != nil || state == nil {
		return err
	}
	if err := waitGone(ctx, state, killGrace); err == nil {
		return nil
	}
	if err := killRecorded(state); err != nil {
		return err
	}
	return waitGone(ctx, state, killGrace)
}

// end signals one process and waits until it is gone.
func end(ctx context.Context, id identity, sig syscall.Signal, grace time.Duration) error {
	if err := syscall.Kill(id.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", sig, id.PID, err)
	}
	err := wait.PollUntilContextTimeout(ctx, probeEvery, grace, true, func(context.Context) (bool, error) {
		return !id.alive(), nil
	})
	if err != nil {
		return fmt.Errorf("process %d still runs %s after %s", id.PID, grace, sig)
	}
	return nil
}

// waitGone waits until no recorded process runs.
func waitGone(ctx context.Context, state *State, grace time.Duration) error {
	err := wait.PollUntilContextTimeout(ctx, probeEvery, grace, true, func(context.Context) (bool, error) {
		return len(state.Live()) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("these processes of the fleet still run: %v: %w", state.Live(), err)
	}
	return nil
}
