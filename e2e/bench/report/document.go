// SPDX-License-Identifier: Apache-2.0

// Package report writes down what a benchmark has measured: as a JSON document, as tables for a page, and as plots.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"vworkspace.io/fleet/e2e/bench/race"
	"vworkspace.io/fleet/e2e/bench/scenario"
)

// Document is all that one run of the benchmark has measured. Its names are stable. What was not asked for is absent.
type Document struct {
	Machine Machine `json:"machine"`
	// Arms says of each arm what it does beyond the fan-out.
	Arms    map[string]string `json:"arms"`
	Rounds  []race.Round      `json:"rounds,omitempty"`
	Failed  []race.Failed     `json:"failed,omitempty"` // turns of the race
	Restart *scenario.Restart `json:"restart,omitempty"`
	Crowd   *scenario.Crowd   `json:"crowd,omitempty"`
	Latency *scenario.Latency `json:"latency,omitempty"`
}

// names of the files.
const (
	fileJSON  = "bench.json"
	fileTable = "bench.md"
)

// Write the document, its tables and its plots into a folder, over what an earlier run has left there.
func (d *Document) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	raw, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, fileJSON), append(raw, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, fileTable), []byte(d.Markdown()), 0o644); err != nil {
		return err
	}
	return d.plot(dir)
}

// Read a document that Write has written.
func Read(dir string) (*Document, error) {
	raw, err := os.ReadFile(filepath.Join(dir, fileJSON))
	if err != nil {
		return nil, err
	}
	d := &Document{}
	if err := json.Unmarshal(raw, d); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, fileJSON), err)
	}
	return d, nil
}
