// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"os"
	"testing"
)

func TestIdentity(t *testing.T) {
	self, err := identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !self.alive() {
		t.Error("this process does not count as alive")
	}
	if other := (identity{PID: self.PID, StartTime: self.StartTime - 1}); other.alive() {
		t.Error("an earlier process of the same pid counts as alive")
	}
	if (identity{}).alive() {
		t.Error("no process counts as alive")
	}
}

func TestParseStat(t *testing.T) {
	const rest = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	for name, c := range map[string]struct {
		stat  string
		start uint64
		state byte
		bad   bool
	}{
		"plain":              {stat: "12 (etcd) S" + rest, start: 4711, state: 'S'},
		"zombie":             {stat: "12 (etcd) Z" + rest, start: 4711, state: 'Z'},
		"blanks in the name": {stat: "12 (a b) c) R" + rest, start: 4711, state: 'R'},
		"cut off":            {stat: "12 (etcd) S 1 2", bad: true},
		"empty":              {stat: "", bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			start, state, err := parseStat([]byte(c.stat))
			if (err != nil) != c.bad {
				t.Fatalf("error: %v", err)
			}
			if !c.bad && (start != c.start || state != c.state) {
				t.Errorf("got %d %c, want %d %c", start, state, c.start, c.state)
			}
		})
	}
}
