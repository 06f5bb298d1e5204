// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vworkspace.io/fleet/e2e/bench/race"
	"vworkspace.io/fleet/e2e/bench/scenario"
)

func document() *Document {
	d := &Document{Machine: ThisMachine(), Arms: map[string]string{"floor": "", "ours": "a plan"}}
	for i, n := range []int{200, 2000} {
		for round := range 3 {
			f := float64(round + 1)
			d.Rounds = append(d.Rounds,
				race.Round{Arm: "floor", N: n, Round: round + 1, FanOut: f, Writes: map[string]float64{"manifestworks": float64(n)}},
				race.Round{Arm: "ours", N: n, Round: round + 1, FanOut: 2 * f, CPU: math.Pow(10, float64(i)), Lag99: 0.5, ParentWrites: 3, ParentBytes: 2048, Peak: 64 << 20,
					Writes: map[string]float64{"manifestworks": float64(n), "operations": float64(n)}})
		}
	}
	d.Restart = &scenario.Restart{Works: 5000, Dispatch: 2.5, IdleWrites: map[string]float64{}, Idle: 60}
	return d
}

// TestTables: medians and spreads of the rounds, each against the floor of its own turn.
func TestTables(t *testing.T) {
	got := document().Markdown()
	for _, want := range []string{
		"| 200 | floor | 3 | 2.00 (1.00-3.00) | 1.00 | - |",
		"| 2000 | ours | 3 | 4.00 (2.00-6.00) | 2.00 | 0.00 | 0.50 |",
		"| 2.00 | 3 | 2.0 KiB |",
		"- ours: CPU grows as N^1.00 from N = 200 on; beyond the fan-out it does: a plan.",
		"A restart of the hub among 5000 finished works.",
		"| then idle for 60 s | 0 writes,",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "floor: CPU") || strings.Contains(got, "NaN") {
		t.Errorf("the floor spends nothing of its own:\n%s", got)
	}
}

// TestFailedTurns: what is missing is told, and what is left is compared with the floor of its own round.
func TestFailedTurns(t *testing.T) {
	d := document()
	d.Rounds = slices.DeleteFunc(d.Rounds, func(r race.Round) bool {
		return r.N == 200 && (r.Arm == "floor" && r.Round == 2 || r.Arm == "ours" && r.Round == 1)
	})
	d.Failed = []race.Failed{{Arm: "floor", N: 200, Round: 2, Error: "fan out:\n  199 of 200 are there"}, {Arm: "ours", N: 200, Round: 1, Error: "no"}}
	got := d.Markdown()
	for _, want := range []string{
		"| 200 | floor | 2 | 2.00 (1.00-3.00) | 1.00 | - |",
		"| 200 | ours | 2 | 5.00 (4.00-6.00) | 2.00 |", // the third by the third; the second has none to go by
		"\n- floor with 200 clusters, round 2: fan out: 199 of 200 are there\n- ours with 200 clusters, round 1: no\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	raw, err := json.Marshal(d)
	if want := `"failed":[{"arm":"floor","n":200,"round":2,"error":"fan out:\n  199 of 200 are there"},`; err != nil || !strings.Contains(string(raw), want) {
		t.Errorf("%q is not in %s, %v", want, raw, err)
	}
	d.Rounds = nil
	if got := d.Markdown(); !strings.Contains(got, "floor with 200 clusters, round 2") {
		t.Errorf("nothing was measured, and nothing said of it:\n%s", got)
	}
}

// TestWrite: a document that was written is read as it was, and its pictures are pictures.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	d := document()
	if err := d.Write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("read %+v, %v, want %+v", got, err, d)
	}
	for _, p := range pictures {
		raw, err := os.ReadFile(filepath.Join(dir, p.file))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(raw)); err != nil {
			t.Errorf("%s: %v", p.file, err)
		}
	}
}

// TestNowhere: a folder that cannot be made is told by its flag.
func TestNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := document().Write(filepath.Join(file, "bench")); err == nil || !strings.HasPrefix(err.Error(), "--out: ") {
		t.Errorf("%v, want an error of --out", err)
	}
}
