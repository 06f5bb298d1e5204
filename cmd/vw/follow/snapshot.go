// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// Snapshot is what is known of an Operation at a time. It is not changed any more.
type Snapshot struct {
	// Operation as the API server had it last.
	Operation *opsv1alpha1.Operation
	// Spoke tells that the Operation is one of a cluster alone: its cells are instances, and not clusters.
	Spoke bool
	// Groups of Cells, in the order in which they are acted on. At least one, unless nothing is planned yet.
	Groups []Group
	// Cells are the clusters of the plan in its order, or the instances of the cluster, as NAMESPACE/NAME, sorted. Their state is empty when they were not started.
	Cells []placement.ClusterResult
	// Reading tells that what the cells say is not all in yet.
	Reading bool
	// Down is since when there is no connection; zero while there is. Why says why.
	Down time.Time
	Why  string
	// Missing says in a line each what could not be read, and what follows.
	Missing []string
	// Gone tells that the Operation was deleted.
	Gone bool

	// Object that a cell stands for: the ManifestWork of a cluster, or the Operation of an instance. False when it is not known; nil when none is.
	Object func(cell string) (types.NamespacedName, bool)

	blind bool // the cells are not seen as they go
}

// Group of cells.
type Group struct {
	// Name of the group: its number, where the Placement gives it none; empty where there is but one.
	Name string
	// From and To are its cells: Cells[From:To].
	From, To int
}

// Unit that a cell is: cluster or instance.
func (s *Snapshot) Unit() string {
	if s.Spoke {
		return "instance"
	}
	return "cluster"
}

// Ended tells whether the Operation has.
func (s *Snapshot) Ended() bool { return s.Operation.Status.Phase.Terminal() }

// Counts of the cells by state. Where they are not seen as they go, and at the end, it is what the Operation says.
func (s *Snapshot) Counts() opsv1alpha1.Counts {
	if told := s.told(); told != nil && (s.blind || s.Ended() || len(s.Cells) == 0) {
		return *told
	}
	return Count(s.Cells)
}

func (s *Snapshot) told() *opsv1alpha1.Counts {
	switch summary := s.Operation.Status.Summary; {
	case summary == nil:
		return nil
	case s.Spoke:
		return summary.Instances
	default:
		return summary.Clusters
	}
}

// Count cells by state.
func Count(cells []placement.ClusterResult) opsv1alpha1.Counts {
	c := opsv1alpha1.Counts{Total: int32(len(cells))}
	for i := range cells {
		switch cells[i].State {
		case placement.Blocked:
			c.Blocked++
		case placement.Running:
			c.Running++
		case placement.Succeeded:
			c.Succeeded++
		case placement.Failed:
			c.Failed++
		case placement.Cancelled:
			c.Cancelled++
		case placement.Skipped:
			c.Skipped++
		case placement.Pending:
			c.Pending++
		default: // not started
			c.Pending++
		}
	}
	return c
}
