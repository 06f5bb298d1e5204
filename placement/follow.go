// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"slices"
	"time"
)

// MaxAdditions is how often clusters may be added to a plan.
const MaxAdditions = 64

// Changes are the clusters that a Placement selects now and a plan does not have, in their groups, and those of the plan that it selects no more.
func Changes(plan Plan, now []Group) (joined []Group, left []string) {
	planned, selected := map[string]bool{}, map[string]bool{}
	for _, c := range plan.Clusters() {
		planned[c] = true
	}
	for _, g := range now {
		fresh := slices.DeleteFunc(slices.Clone(g.Clusters), func(c string) bool {
			selected[c] = true
			return planned[c]
		})
		if len(fresh) > 0 {
			joined = append(joined, Group{Name: g.Name, Decision: g.Decision, Clusters: fresh})
		}
	}
	for _, c := range plan.Clusters() {
		if !selected[c] {
			left = append(left, c)
		}
	}
	return joined, left
}

// EncodeAddition packs groups that are added to a plan, into one chunk: the first ChunkSize of their clusters. The same groups give the same bytes.
func EncodeAddition(groups []Group) (data []byte, clusters int, err error) {
	part := split(groups)[0]
	if data, err = pack(planChunk{Groups: part}); err != nil {
		return nil, 0, fmt.Errorf("encode an addition to the plan: %w", err)
	}
	for _, g := range part {
		clusters += len(g.Clusters)
	}
	return data, clusters, nil
}

// Add a chunk of groups to the end of a plan, and say which these are. A group of a name that the plan has is another one after it.
func (p *Plan) Add(data []byte) ([]Group, error) {
	var c planChunk
	if err := unpack(data, &c); err != nil {
		return nil, fmt.Errorf("decode an addition to the plan: %w", err)
	}
	added := make([]Group, len(c.Groups))
	for i, g := range c.Groups {
		added[i] = g.Group
	}
	p.Groups = append(slices.Clip(p.Groups), added...)
	return added, nil
}

// Add clusters of which nothing is known to the end.
func (t *Tally) Add(groups []Group) {
	for _, g := range groups {
		for _, c := range g.Clusters {
			t.index[c] = len(t.clusters)
			t.clusters = append(t.clusters, c)
			t.results = append(t.results, ClusterResult{Cluster: c})
			t.counts.Total++
			t.counts.Pending++
		}
	}
	t.told = append(t.told, make([]time.Time, len(t.clusters)-len(t.told))...)
}
