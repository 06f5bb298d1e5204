// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"encoding/json"
	"slices"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// untouched are the reasons for which the hub ends a cluster that it has sent nothing.
var untouched = []string{
	opsv1alpha1.ReasonClusterNotFound, opsv1alpha1.ReasonLeftPlacement, opsv1alpha1.ReasonNameConflict, opsv1alpha1.ReasonDispatchFailed,
}

// MayHaveChanged tells whether a run may have changed something on a cluster that ended in this way. A result without a state is one that was lost: nobody
// knows.
func (r ClusterResult) MayHaveChanged() bool {
	if r.Attempt > 0 {
		return true // what the attempts before this one did is not in it
	}
	switch r.State {
	case Succeeded:
		return r.Reason != opsv1alpha1.ReasonNoTargets && r.Reason != opsv1alpha1.ReasonNoChange
	case Cancelled: // the cluster says when it began, if it did
		return !r.StartedAt.IsZero()
	case Failed, Skipped:
		return !r.StartedAt.IsZero() || !slices.Contains(untouched, r.Reason)
	default:
		return true
	}
}

// EndedAs tells whether a cluster has ended in one of some ways, and not well; in any, when none is given.
func (r ClusterResult) EndedAs(of []opsv1alpha1.RetryOutcome) bool {
	switch away := r.Reason == opsv1alpha1.ReasonClusterUnreachable; {
	case !r.State.Terminal() || r.State == Succeeded:
		return false
	case len(of) == 0:
		return true
	case away && slices.Contains(of, opsv1alpha1.RetryUnreachable):
		return true
	case r.State == Skipped:
		return slices.Contains(of, opsv1alpha1.RetrySkipped)
	default:
		return r.State == Failed && !away && slices.Contains(of, opsv1alpha1.RetryFailed)
	}
}

// Retries tells whether a retry of a run that goes on, of these ways to have ended, starts a cluster again. It leaves those alone that a person stopped.
func (r ClusterResult) Retries(of []opsv1alpha1.RetryOutcome) bool {
	return r.State != Cancelled && r.EndedAs(of)
}

// Of is the plan for other groups of its clusters: each is given what it was.
func (p Plan) Of(groups []Group) Plan {
	other := p
	other.Groups, other.Rows = groups, nil
	if len(p.Rows) == 0 {
		return other
	}
	rows := make(map[string]json.RawMessage, len(p.Rows))
	for i, cluster := range p.Clusters() {
		rows[cluster] = p.Rows[i]
	}
	for _, cluster := range other.Clusters() {
		other.Rows = append(other.Rows, rows[cluster])
	}
	return other
}

// Only are the groups of the plan with those of their clusters that are chosen, in the same order. A group without any is left out.
func (p Plan) Only(chosen func(cluster string) bool) []Group {
	var groups []Group
	for _, g := range p.Groups {
		g.Clusters = slices.DeleteFunc(slices.Clone(g.Clusters), func(c string) bool { return !chosen(c) })
		if len(g.Clusters) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}
