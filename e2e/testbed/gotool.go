// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// output is the name that `go build -o FOLDER/` gives to the component's binary: the last element of its import
// path, without a major version.
func (c component) output() string {
	base := path.Base(c.pkg)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(c.pkg))
	}
	return base
}

// goBuild compiles all components with one `go build`: what they share is compiled once, and every core has work
// until the last package.
func goBuild(ctx context.Context, p *progress, module, out string, comps []component) error {
	p.say("building %s (a first build of everything takes 15 to 20 minutes on 2 cores; later runs find it in the cache)", names(comps))
	t, err := newBuildTracker(ctx, p, module, comps)
	if err != nil {
		return err
	}
	args := []string{"build", "-buildvcs=false", "-v", "-ldflags", linkFlags(), "-o", out + string(filepath.Separator)}
	for _, c := range comps {
		args = append(args, c.pkg)
	}
	stop := t.watch(ctx, out)
	defer stop()
	if err := goRun(ctx, module, io.Discard, t.line, args...); err != nil {
		return fmt.Errorf("build the components: %w\n%s", err, indent(t.messages.lines()))
	}
	return nil
}

// goRun runs the go tool in the components module and hands each line of its stderr to line.
func goRun(ctx context.Context, module string, stdout io.Writer, line func(string), args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = module
	// The module stands alone: a workspace, or flags meant for the caller's own module, must not reach it.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly", "PWD="+module)
	cmd.Stdout = stdout
	// In a group of its own, so that cancelling also ends the compilers that go has started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := spawn(cmd); err != nil {
		return fmt.Errorf("run the go tool: %w (Go must be on the PATH to build the components)", err)
	}
	for scan := bufio.NewScanner(stderr); scan.Scan(); {
		line(scan.Text())
	}
	_, _ = io.Copy(io.Discard, stderr) // a line too long to scan must not block the tool
	if err := cmd.Wait(); err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return nil
}

// goOutput runs the go tool and returns what it printed, its lines joined by blanks.
func goOutput(ctx context.Context, module string, args ...string) (string, error) {
	var out bytes.Buffer
	messages := newTail(tailLines)
	if err := goRun(ctx, module, &out, messages.add, args...); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, indent(messages.lines()))
	}
	return strings.Join(strings.Fields(out.String()), " "), nil
}

func names(comps []component) string {
	var s []string
	for _, c := range comps {
		s = append(s, c.name)
	}
	return strings.Join(s, ", ")
}
