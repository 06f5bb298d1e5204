// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"vworkspace.io/fleet/e2e/testbed"
)

// asCommand makes the test binary be the command: --detach starts its own program again.
const asCommand = "TESTBED_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestDetachAndDown(t *testing.T) {
	t.Setenv(asCommand, "yes")
	dir := t.TempDir()
	out := run(t, "up", "--detach", "--clusters", "0", "--dir", dir)
	t.Cleanup(func() { _ = testbed.Down(context.Background(), dir) }) // for when something below fails
	if !strings.Contains(out, "fleet is up") {
		t.Errorf("up does not show the start:\n%s", out)
	}
	state, err := testbed.ReadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if state.Phase != testbed.PhaseUp || len(state.Live()) < 7 {
		t.Fatalf("phase %s, running: %v", state.Phase, state.Live())
	}
	if err := execute(&bytes.Buffer{}, "up", "--detach", "--dir", dir); err == nil || !strings.Contains(err.Error(), "holds a fleet that runs") {
		t.Errorf("a second fleet in the same folder: got error %v", err)
	}
	run(t, "down", "--dir", dir)
	if live := state.Live(); len(live) > 0 {
		t.Errorf("still running: %v", live)
	}
	if state, err = testbed.ReadState(dir); err != nil || state.Phase != testbed.PhaseDown {
		t.Errorf("state after down: %+v, %v", state, err)
	}
}

func TestBadUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"up --clusters -1", "clusters: -1"},
		{"up --clusters 1 --grpc 2", "grpc: 2 is not between 0 and the 1 clusters"},
		{"up three", "unknown command"},
		{"down", `"dir" not set`},
		{"down --dir " + t.TempDir(), "holds no fleet"},
	} {
		if err := execute(&bytes.Buffer{}, strings.Fields(c.args)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", c.args, err, c.want)
		}
	}
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	out := &bytes.Buffer{}
	if err := execute(out, args...); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out.String()
}

func execute(out *bytes.Buffer, args ...string) error {
	c := newCommand()
	c.SetArgs(args)
	c.SetOut(out)
	return c.Execute()
}
