// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside marks a process that runs in the sandbox. There it is the process's number as others see it.
const inside = "VWORKSPACE_KIND_SANDBOX"

// ErrNotRoot is why a fleet of real nodes cannot run.
var ErrNotRoot = errors.New("a kind fleet needs root, for namespaces and cgroups: run it as root, or leave it to a machine where that is possible")

// InSandbox runs this program again, with the same arguments, in namespaces of its own, and exits with its exit code; in there it returns. Call it
// first: what the program does before is done twice. Whatever is started in the sandbox ends with it, however it ends, and its network reaches
// nothing outside.
func InSandbox() error {
	if os.Geteuid() != 0 {
		return ErrNotRoot
	}
	if os.Getenv(inside) != "" {
		return furnish()
	}
	// The kernel ends the sandbox with the thread that made it.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the sandbox: %w", err)
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	if made := os.Getenv(imagesFolder); made != "" {
		_ = os.RemoveAll(made)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("wait for the sandbox: %w", err)
	}
	os.Exit(max(cmd.ProcessState.ExitCode(), 0) + killed(cmd.ProcessState))
	return nil
}

// killed is the exit code of a process that a signal has ended.
func killed(s *os.ProcessState) int {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return 0
}

// furnish makes the namespaces usable: mounts that stay in here, a /proc of these processes, and a loopback device that is up.
func furnish() error {
	outside, err := os.Readlink("/proc/self") // which is still the /proc of outside
	if err != nil {
		return err
	}
	if err := os.Setenv(inside, outside); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep the sandbox's mounts to itself: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount the sandbox's /proc: %w", err)
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("bring up the sandbox's loopback device: %w", err)
	}
	defer func() { _ = unix.Close(s) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bring up the sandbox's loopback device: %w", err)
	}
	return nil
}
