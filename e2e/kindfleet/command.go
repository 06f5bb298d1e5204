// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// command is a program of somebody else's.
type command struct {
	name  string
	args  []string
	dir   string
	env   []string // beside those of this process
	stdin io.Reader
}

// run a command and return what it printed. An error has the end of what it complained of.
func run(ctx context.Context, c command) (string, error) {
	cmd := exec.CommandContext(ctx, c.name, c.args...)
	cmd.Dir, cmd.Stdin = c.dir, c.stdin
	cmd.Env = append(os.Environ(), c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		const most = 2000
		said := strings.TrimSpace(out.String() + "\n" + complaints.String())
		return "", fmt.Errorf("%s %s: %w\n%s", c.name, strings.Join(c.args, " "), err, said[max(0, len(said)-most):])
	}
	return out.String(), nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
