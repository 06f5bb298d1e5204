// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/expressions"
)

// Group is a decision group of the Placement: a rollout finishes one before it begins the next.
type Group struct {
	// Name of the group; empty when the Placement does not name it.
	Name string `json:"name,omitempty"`
	// Decision is the number of the decision group in the Placement.
	Decision int `json:"decision,omitempty"`
	// Clusters of the group, sorted.
	Clusters []string `json:"clusters"`
}

// Plan is what a fleet Operation will do, frozen: which clusters in which order, and the Operation that each of them is given.
type Plan struct {
	// Spec is the same for every cluster; it names no placement.
	Spec opsv1alpha1.OperationSpec
	// Groups in the order in which they are acted on. No cluster is in two of them.
	Groups []Group
	// Blanks of Spec.Parameters, which each cluster has its own values for, and Rows, the values of each of Clusters(); none where all are given the same.
	Blanks []expressions.Blank
	Rows   []json.RawMessage
}

// Len is the number of clusters.
func (p Plan) Len() int {
	n := 0
	for _, g := range p.Groups {
		n += len(g.Clusters)
	}
	return n
}

// Clusters in the order of the plan.
func (p Plan) Clusters() []string {
	all := make([]string, 0, p.Len())
	for _, g := range p.Groups {
		all = append(all, g.Clusters...)
	}
	return all
}

// Resolve turns the decisions of a Placement into ordered groups without duplicates. pending is not empty when the decisions are not
// complete yet, and says why: then groups must not be used. A Placement that decided for nobody has no groups and is not pending.
//
// Open Cluster Management writes the decisions first, one object per hundred clusters, and the Placement's status after them, and puts
// the clusters of a group into no particular order. So a set of decisions counts when the status agrees with it, and clusters are sorted.
func Resolve(p *clusterv1beta1.Placement, decisions []clusterv1beta1.PlacementDecision) (groups []Group, pending string) {
	if meta.FindStatusCondition(p.Status.Conditions, clusterv1beta1.PlacementConditionSatisfied) == nil {
		return nil, fmt.Sprintf("Placement %s has not been decided yet: it has no condition %s", p.Name, clusterv1beta1.PlacementConditionSatisfied)
	}
	type indexed struct {
		index int
		Group
	}
	byIndex := map[int]*indexed{}
	for _, d := range inOrder(decisions) {
		index := groupIndex(d)
		g := byIndex[index]
		if g == nil {
			g = &indexed{index: index, Group: Group{Name: d.Labels[clusterv1beta1.DecisionGroupNameLabel], Decision: index}}
			byIndex[index] = g
		}
		for _, c := range d.Status.Decisions {
			if c.ClusterName != "" {
				g.Clusters = append(g.Clusters, c.ClusterName)
			}
		}
	}
	ordered := make([]*indexed, 0, len(byIndex))
	for _, g := range byIndex {
		ordered = append(ordered, g)
	}
	slices.SortFunc(ordered, func(a, b *indexed) int { return cmp.Compare(a.index, b.index) })

	seen := map[string]bool{}
	for _, g := range ordered {
		slices.Sort(g.Clusters)
		g.Clusters = slices.DeleteFunc(g.Clusters, func(c string) bool {
			again := seen[c]
			seen[c] = true
			return again
		})
		if len(g.Clusters) > 0 {
			groups = append(groups, g.Group)
		}
	}
	if want := int(p.Status.NumberOfSelectedClusters); len(seen) != want {
		return nil, fmt.Sprintf("Placement %s is being decided: its status selects %d clusters and its decisions name %d", p.Name, want, len(seen))
	}
	return groups, ""
}

// inOrder sorts decisions by name, so that of two objects that claim a cluster for the same group it does not matter which was read first.
func inOrder(decisions []clusterv1beta1.PlacementDecision) []clusterv1beta1.PlacementDecision {
	sorted := slices.Clone(decisions)
	slices.SortFunc(sorted, func(a, b clusterv1beta1.PlacementDecision) int { return cmp.Compare(a.Name, b.Name) })
	return sorted
}

// groupIndex of a decision; decisions without the label belong to the first group.
func groupIndex(d clusterv1beta1.PlacementDecision) int {
	index, err := strconv.Atoi(d.Labels[clusterv1beta1.DecisionGroupIndexLabel])
	if err != nil {
		return 0
	}
	return index
}
