// SPDX-License-Identifier: Apache-2.0

package live

import "vworkspace.io/fleet/placement"

// filter of cells by state.
type filter int

const (
	filterAll filter = iota
	filterRunning
	filterFailed
	filterBlocked
	filterPending
	filters // how many there are
)

// String implements fmt.Stringer.
func (f filter) String() string {
	return [...]string{"all", "running", "failed", "blocked", "pending"}[f]
}

// takes tells whether a cell passes. What runs and waits for something is blocked too.
func (f filter) takes(r *placement.ClusterResult) bool {
	switch f {
	case filterRunning:
		return r.State == placement.Running
	case filterFailed:
		return r.State == placement.Failed
	case filterBlocked:
		return r.State == placement.Blocked || r.State == placement.Running && r.Waiting
	case filterPending:
		return r.State == placement.Pending || r.State == ""
	default:
		return true
	}
}
