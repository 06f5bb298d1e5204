// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Phases of a fleet, as testbed.json tells them.
const (
	PhaseStarting = "starting"
	PhaseUp       = "up"
	PhaseFailed   = "failed" // see State.Error; everything has been stopped
	PhaseDown     = "down"
)

// State is what DIR/testbed.json holds: how to reach a fleet, and which processes it is made of.
type State struct {
	Phase        string         `json:"phase"`
	Error        string         `json:"error,omitempty"`
	Supervisor   identity       `json:"supervisor"` // the process that called Up
	Hub          ClusterState   `json:"hub"`
	Spokes       []ClusterState `json:"spokes,omitempty"`
	ChartRepoURL string         `json:"chartRepoURL,omitempty"`
	OCIURL       string         `json:"ociURL,omitempty"`
	Processes    []ProcessState `json:"processes,omitempty"`
}

// ClusterState names a cluster and its admin's kubeconfig.
type ClusterState struct {
	Name       string `json:"name"`
	Kubeconfig string `json:"kubeconfig"`
}

// ProcessState is a supervised process, as of its last start.
type ProcessState struct {
	Name string `json:"name"`
	identity
	Log string `json:"log"`
}

// ReadState reads a fleet's testbed.json. It returns nil, nil when the folder holds none.
func ReadState(dir string) (*State, error) {
	path := layout{dir}.state()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the fleet's state: %w", err)
	}
	s := &State{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("read the fleet's state %s: %w (delete the file if no fleet runs there)", path, err)
	}
	return s, nil
}

// Live lists the processes of the fleet that still run, its supervisor first.
func (s *State) Live() []ProcessState {
	var live []ProcessState
	for _, p := range append([]ProcessState{{Name: "supervisor", identity: s.Supervisor}}, s.Processes...) {
		if p.alive() {
			live = append(live, p)
		}
	}
	return live
}

// writeState replaces testbed.json in one step.
func writeState(path string, s *State) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the fleet's state: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write the fleet's state: %w", err)
	}
	return nil
}
