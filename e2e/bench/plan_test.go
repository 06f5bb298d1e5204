// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"vworkspace.io/fleet/e2e/bench/race"
	"vworkspace.io/fleet/e2e/bench/report"
)

// TestMistakes: what was asked for wrongly is found before anything is started, and names the flag.
func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--scenarios=sprint"}, `--scenarios: "sprint" is not known; there are latency, race, restart, crowd`},
		{[]string{"--arms=ours,theirs"}, `--arms: "theirs" is not known; there are `},
		{[]string{"--clusters=0"}, "--clusters: 0 is not between 1 and 20000"},
		{[]string{"--ours=0,5"}, "--ours: 0 is not between 1 and 20000"},
		{[]string{"--ours=20001"}, "--ours: 20001 is not between 1 and 20000"},
		{[]string{"--clusters=200", "--ours=200"}, "--clusters, --ours: 200 is there twice"},
		{[]string{"--ours=5000,5000"}, "--clusters, --ours: 5000 is there twice"},
		{[]string{"--crowd=-1"}, "--crowd: -1 is not between 1 and 20000"},
		{[]string{"--rounds=0"}, "--rounds: 0 is less than 1"},
		{[]string{"--live=1001"}, "--live: 1001 is not between 1 and 1000"},
		{[]string{"everything"}, `unknown command "everything"`},
	} {
		cmd := newCommand()
		cmd.SetArgs(tt.args)
		cmd.SetOut(&bytes.Buffer{})
		cmd.SetErr(&bytes.Buffer{})
		if err := cmd.ExecuteContext(t.Context()); err == nil || !bytes.HasPrefix([]byte(err.Error()), []byte(tt.want)) {
			t.Errorf("%v: %v, want %s", tt.args, err, tt.want)
		}
	}
}

// TestFailedTurns: a run in which turns failed ends with an error that names them all, and they are in the file.
func TestFailedTurns(t *testing.T) {
	d := &report.Document{}
	if err := failed(d); err != nil {
		t.Errorf("none failed: %v", err)
	}
	into := notes{d, t.TempDir()}
	for _, f := range []race.Failed{{Arm: "karmada", N: 200, Round: 1, Error: "hung"}, {Arm: "azure", N: 1000, Round: 3, Error: "gone"}} {
		if err := into.Failed(f); err != nil {
			t.Fatal(err)
		}
	}
	err := failed(d)
	for _, want := range []string{"karmada with 200 clusters, round 1: hung", "azure with 1000 clusters, round 3: gone"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	if kept, err := report.Read(into.dir); err != nil || !slices.Equal(kept.Failed, d.Failed) {
		t.Errorf("kept %v, %v, want %v", kept, err, d.Failed)
	}
}
