// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"
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
