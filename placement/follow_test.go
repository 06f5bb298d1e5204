// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChanges(t *testing.T) {
	plan := Plan{Groups: []Group{{Name: "canary", Clusters: []string{"a", "b"}}, {Name: "rest", Decision: 1, Clusters: []string{"c"}}}}
	joined, left := Changes(plan, []Group{{Name: "canary", Clusters: []string{"a", "x"}}, {Name: "new", Decision: 2, Clusters: []string{"y", "b"}}})
	if diff := cmp.Diff([]Group{{Name: "canary", Clusters: []string{"x"}}, {Name: "new", Decision: 2, Clusters: []string{"y"}}}, joined); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"c"}, left); diff != "" {
		t.Error(diff)
	}
	data, n, err := EncodeAddition(joined)
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	tally := NewTally(plan)
	tally.Apply(ClusterResult{Cluster: "b", State: Running})
	added, err := plan.Add(data)
	if err != nil {
		t.Fatal(err)
	}
	tally.Add(added)
	want := NewTally(plan)
	want.Apply(ClusterResult{Cluster: "b", State: Running})
	if diff := cmp.Diff(want, tally, cmp.AllowUnexported(Tally{})); diff != "" || plan.Len() != 5 {
		t.Error(diff, plan)
	}
	if _, err := plan.Add([]byte("no chunk")); err == nil {
		t.Error("no error for what is no chunk")
	}
}
