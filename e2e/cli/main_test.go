// SPDX-License-Identifier: Apache-2.0

// Package cli uses vw as a person does: the program itself, against a fleet of real control planes with every engine's real controller.
package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"vworkspace.io/fleet/e2e/demo"
)

const (
	clusters = 3
	patience = 2 * time.Minute
)

var (
	fleet  *demo.Demo // the one fleet of this package
	binary string     // vw, compiled
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "vw-e2e-cli-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "vw")
	build := exec.CommandContext(ctx, "go", "build", "-ldflags", "-X main.version=v0.0.0-e2e", "-o", binary, "vworkspace.io/fleet/cmd/vw")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "compile vw:", err)
		return 1
	}
	if fleet, err = demo.Start(ctx, demo.Options{Clusters: clusters, Screen: demo.NewScreen(os.Stderr, false)}); err != nil {
		fmt.Fprintln(os.Stderr, "start the fleet:", err)
		return 1
	}
	defer func() {
		if err := fleet.Down(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the fleet:", err)
		}
	}()
	return m.Run()
}

// result of a call of vw.
type result struct {
	status      int
	out, errOut string
}

// vw against the hub, in the shops' namespace. It ends within patience.
func vw(t *testing.T, args ...string) result {
	t.Helper()
	return call(t, fleet.Fleet.Hub.KubeconfigPath, args...)
}

// call vw with a kubeconfig.
func call(t *testing.T, kubeconfig string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("vw %v: %v", args, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}
