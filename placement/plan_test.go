// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// decided is a Placement whose controller has selected n clusters; n < 0 is one that was not looked at yet.
func decided(n int) *clusterv1beta1.Placement {
	p := &clusterv1beta1.Placement{ObjectMeta: metav1.ObjectMeta{Name: "all"}}
	if n >= 0 {
		p.Status.NumberOfSelectedClusters = int32(n)
		p.Status.Conditions = []metav1.Condition{{Type: clusterv1beta1.PlacementConditionSatisfied, Status: metav1.ConditionFalse}}
	}
	return p
}

func decision(name, index, group string, clusters ...string) clusterv1beta1.PlacementDecision {
	d := clusterv1beta1.PlacementDecision{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		clusterv1beta1.DecisionGroupIndexLabel: index, clusterv1beta1.DecisionGroupNameLabel: group,
	}}}
	for _, c := range clusters {
		d.Status.Decisions = append(d.Status.Decisions, clusterv1beta1.ClusterDecision{ClusterName: c})
	}
	return d
}

func TestResolve(t *testing.T) {
	for _, tc := range []struct {
		name      string
		placement *clusterv1beta1.Placement
		decisions []clusterv1beta1.PlacementDecision
		want      []Group
		pending   string
	}{
		{
			name: "nothing decided yet", placement: decided(-1), pending: "has not been decided",
			decisions: []clusterv1beta1.PlacementDecision{decision("all-decision-1", "0", "", "a")},
		},
		{name: "nobody", placement: decided(0), decisions: []clusterv1beta1.PlacementDecision{decision("all-decision-1", "0", "")}},
		{
			name: "more selected than named", placement: decided(3), pending: "selects 3 clusters and its decisions name 1",
			decisions: []clusterv1beta1.PlacementDecision{decision("all-decision-1", "0", "", "a")},
		},
		{
			name: "fewer selected than named", placement: decided(1), pending: "selects 1 clusters and its decisions name 2",
			decisions: []clusterv1beta1.PlacementDecision{decision("all-decision-1", "0", "", "a", "b")},
		},
		{
			name: "groups in the order of their index, not of their names", placement: decided(5),
			decisions: []clusterv1beta1.PlacementDecision{
				decision("all-decision-10", "10", "", "late"),
				decision("all-decision-2", "2", "rest", "z", "b"),
				decision("all-decision-1", "0", "canary", "m"),
				decision("all-decision-3", "2", "rest", "a"),
			},
			want: []Group{{Name: "canary", Clusters: []string{"m"}}, {Name: "rest", Decision: 2, Clusters: []string{"a", "b", "z"}}, {Decision: 10, Clusters: []string{"late"}}},
		},
		{
			name: "a cluster that is decided twice counts once, in its first group", placement: decided(2),
			decisions: []clusterv1beta1.PlacementDecision{
				decision("all-decision-1", "0", "", "a", "a"), decision("all-decision-2", "1", "", "b", "a"),
			},
			want: []Group{{Clusters: []string{"a"}}, {Decision: 1, Clusters: []string{"b"}}},
		},
		{
			name: "an empty decision is a cluster that was not found", placement: decided(1),
			decisions: []clusterv1beta1.PlacementDecision{decision("all-decision-1", "0", "", "", "a")},
			want:      []Group{{Clusters: []string{"a"}}},
		},
		{
			name: "decisions without group labels", placement: decided(1),
			decisions: []clusterv1beta1.PlacementDecision{decision("all-decision-1", "", "", "a")},
			want:      []Group{{Clusters: []string{"a"}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, pending := Resolve(tc.placement, tc.decisions)
			if (pending == "") != (tc.pending == "") || !strings.Contains(pending, tc.pending) {
				t.Errorf("pending %q, want %q", pending, tc.pending)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// planOf makes a plan with groups of the given sizes.
func planOf(sizes ...int) Plan {
	p := Plan{Spec: opsv1alpha1.OperationSpec{
		Type:       opsv1alpha1.TypeBackup,
		Selector:   &opsv1alpha1.InstanceSelector{Namespaces: []string{"shop"}},
		Parameters: &runtime.RawExtension{Raw: []byte(`{"ttl":"24h","n":[1,2]}`)},
	}}
	n := 0
	for i, size := range sizes {
		g := Group{Name: fmt.Sprintf("g%d", i), Decision: i}
		for range size {
			g.Clusters = append(g.Clusters, fmt.Sprintf("cluster-%05d", n))
			n++
		}
		p.Groups = append(p.Groups, g)
	}
	return p
}

func TestPlanSurvivesEncoding(t *testing.T) {
	for _, sizes := range [][]int{{1}, {ChunkSize}, {ChunkSize + 1}, {3, ChunkSize, 7}, {ChunkSize, ChunkSize}, {1, 1, 1, 1500, 2}, {10_000}} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) { roundTrip(t, planOf(sizes...)) })
	}
}

func roundTrip(t *testing.T, p Plan) {
	t.Helper()
	chunks, err := EncodePlan(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := EncodePlan(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(chunks) != Chunks(p.Len()) {
		t.Errorf("%d chunks for %d clusters, want %d", len(chunks), p.Len(), Chunks(p.Len()))
	}
	for i := range chunks {
		if !bytes.Equal(chunks[i], again[i]) {
			t.Errorf("chunk %d differs when it is encoded again", i)
		}
		if len(chunks[i]) > 1<<20 {
			t.Errorf("chunk %d has %d bytes", i, len(chunks[i]))
		}
	}
	got, err := DecodePlan(chunks)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzPlanEncoding(f *testing.F) {
	f.Add(uint64(1), uint16(3), uint16(0), uint16(501))
	f.Add(uint64(2), uint16(500), uint16(500), uint16(1))
	f.Fuzz(func(t *testing.T, seed uint64, a, b, c uint16) {
		random := rand.New(rand.NewPCG(seed, 0))
		var sizes []int
		for _, n := range []uint16{a, b, c} {
			if n = n % 1200; n > 0 {
				sizes = append(sizes, int(n))
			}
		}
		p := planOf(sizes...)
		for _, g := range p.Groups {
			random.Shuffle(len(g.Clusters), func(i, j int) { g.Clusters[i], g.Clusters[j] = g.Clusters[j], g.Clusters[i] })
		}
		roundTrip(t, p)
	})
}

func TestTenThousandClustersFit(t *testing.T) {
	// Names of 63 characters that do not compress.
	random := rand.New(rand.NewPCG(1, 2))
	p := planOf(10_000)
	for i := range p.Groups[0].Clusters {
		name := make([]byte, 63)
		for j := range name {
			name[j] = "abcdefghijklmnopqrstuvwxyz0123456789"[random.IntN(36)]
		}
		p.Groups[0].Clusters[i] = string(name)
	}
	roundTrip(t, p)
}

func TestChunksOfTwoPlansAreNotMixed(t *testing.T) {
	one, err := EncodePlan(planOf(1200))
	if err != nil {
		t.Fatal(err)
	}
	two, err := EncodePlan(planOf(3, 1197))
	if err != nil {
		t.Fatal(err)
	}
	for name, chunks := range map[string][][]byte{
		"a chunk of another plan": {one[0], two[1], one[2]},
		"a chunk is missing":      {one[0], one[1]},
		"one chunk too many":      {one[0], one[1], one[2], one[2]},
		"in the wrong order":      {one[0], one[2], one[1]},
		"no first chunk":          {one[1], one[2]},
	} {
		if _, err := DecodePlan(chunks); !errors.Is(err, ErrPlanCorrupt) {
			t.Errorf("%s: %v, want ErrPlanCorrupt", name, err)
		}
	}
	if _, err := DecodePlan([][]byte{[]byte("no gzip")}); err == nil {
		t.Error("garbage is a plan")
	}
}

func FuzzDecodePlan(f *testing.F) {
	chunks, err := EncodePlan(planOf(2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(chunks[0])
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = DecodePlan([][]byte{data}) // must not panic
	})
}
