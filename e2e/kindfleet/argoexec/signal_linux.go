// SPDX-License-Identifier: Apache-2.0

// Package osspecific is the part for Linux of Argo's package of that name, which the module v3.7.14 lacks: with it the executor does not compile. It
// is laid over a copy of the module when the executor is built (../workers.go).
package osspecific

import (
	"errors"
	"os"
	"syscall"

	argoerrors "github.com/argoproj/argo-workflows/v3/util/errors"
)

// Term asks a process to end.
var Term = syscall.SIGTERM

// CanIgnoreSignal tells whether a signal is not for the command of a step.
func CanIgnoreSignal(s os.Signal) bool { return s == syscall.SIGCHLD || s == syscall.SIGURG }

// Kill sends a signal to a process and to what it has started.
func Kill(pid int, s syscall.Signal) error {
	if group, err := syscall.Getpgid(pid); err == nil {
		return syscall.Kill(-group, s)
	}
	return syscall.Kill(pid, s)
}

// Setpgid gives a process a group of its own.
func Setpgid(a *syscall.SysProcAttr) { a.Setpgid = true }

// Wait for a process, and bury the orphans that end meanwhile: the executor is the first process of its container.
func Wait(process *os.Process) error {
	pid := process.Pid
	if err := process.Release(); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case ended == pid && status.Signaled():
			return argoerrors.NewExitErr(128 + int(status.Signal()))
		case ended == pid && status.Exited():
			return argoerrors.NewExitErr(status.ExitStatus())
		}
	}
}
