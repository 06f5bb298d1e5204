// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"vworkspace.io/fleet/expressions"
)

// filledPlan gives each cluster a row.
func filledPlan(row func(i int) string, sizes ...int) Plan {
	p := planOf(sizes...)
	p.Spec.Parameters = &runtime.RawExtension{Raw: []byte(`{"ttl":"24h","n":["${cluster.labels['region']}","of ${cluster.name}"]}`)}
	p.Blanks = []expressions.Blank{{At: []string{"n", "0"}, Values: []int{0}}, {At: []string{"n", "1"}, Text: []string{"of ", ""}, Values: []int{1}}}
	for i := range p.Len() {
		p.Rows = append(p.Rows, json.RawMessage(row(i)))
	}
	return p
}

func region(i int) string { return fmt.Sprintf(`["region-%d",%d]`, i%3, i%2) }

func TestPlanKeepsTheParametersOfEachCluster(t *testing.T) {
	for _, sizes := range [][]int{{1}, {3, ChunkSize, 7}, {1, 1, 1, 1500, 2}} {
		p := filledPlan(region, sizes...)
		roundTrip(t, p)
		chunks, err := EncodePlan(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodePlan(chunks)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Len() {
			filled, err := got.Parameters(i)
			if want := fmt.Sprintf(`{"n":["region-%d","of %d"],"ttl":"24h"}`, i%3, i%2); err != nil || string(filled.Raw) != want {
				t.Fatalf("cluster %d: %v, want %s, %v", i, filled, want, err)
			}
		}
	}
}

func TestAPlanWithoutExpressionsGivesAllTheSame(t *testing.T) {
	p := planOf(3)
	filled, err := p.Parameters(2)
	if err != nil || filled != p.Spec.Parameters {
		t.Errorf("%v %v", filled, err)
	}
}

func TestRenderings(t *testing.T) {
	p := filledPlan(func(i int) string { return fmt.Sprintf(`["r%d",1]`, []int{0, 1, 0, 2, 1, 0}[i]) }, 6)
	var got [][2]int
	p.Renderings(func(first, clusters int) bool {
		got = append(got, [2]int{first, clusters})
		return len(got) < 2
	})
	if diff := cmp.Diff([][2]int{{0, 3}, {1, 2}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestAPlanOfBefore there were expressions is still followed: this is one that a hub of then wrote.
func TestAPlanOfBefore(t *testing.T) {
	old := struct {
		Clusters  int             `json:"clusters"`
		Operation json.RawMessage `json:"operation"`
		Groups    json.RawMessage `json:"groups"`
	}{2, json.RawMessage(`{"type":"Backup","parameters":{"a":"${cluster.name}"}}`), json.RawMessage(`[{"index":0,"clusters":["a","b"]}]`)}
	data, err := pack(old)
	if err != nil {
		t.Fatal(err)
	}
	p, err := DecodePlan([][]byte{data})
	if err != nil {
		t.Fatal(err)
	}
	filled, err := p.Parameters(1)
	if err != nil || string(filled.Raw) != `{"a":"${cluster.name}"}` {
		t.Errorf("%s %v", filled, err)
	}
}

func TestPlanWhoseValuesDoNotFitIsCorrupt(t *testing.T) {
	groups := []chunkGroup{{Group: Group{Clusters: []string{"a", "b"}}}}
	blanks := []expressions.Blank{{At: []string{"n"}, Values: []int{0}}}
	rows := []json.RawMessage{json.RawMessage(`["x"]`)}
	spec := planOf(2).Spec
	for name, c := range map[string]planChunk{
		"no values":        {Operation: &spec, Groups: groups, Blanks: blanks},
		"too few":          {Operation: &spec, Groups: groups, Blanks: blanks, rowTable: rowTable{Rows: rows, Of: []int{0}}},
		"too many":         {Operation: &spec, Groups: groups, Blanks: blanks, rowTable: rowTable{Rows: rows, Of: []int{0, 0, 0}}},
		"values not there": {Operation: &spec, Groups: groups, Blanks: blanks, rowTable: rowTable{Rows: rows, Of: []int{0, 1}}},
		"before the first": {Operation: &spec, Groups: groups, Blanks: blanks, rowTable: rowTable{Rows: rows, Of: []int{0, -1}}},
	} {
		data, err := pack(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodePlan([][]byte{data}); !errors.Is(err, ErrPlanCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := filledPlan(region, 1)
	p.Blanks[0].At = []string{"nowhere"}
	chunks, err := EncodePlan(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodePlan(chunks); !errors.Is(err, ErrPlanCorrupt) {
		t.Errorf("blanks of other parameters: %v", err)
	}
}

// TestValuesFit: as many as there may be, all different, and nothing that compresses, beside parameters as large as they may be.
func TestValuesFit(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	noise := func(n int) string {
		b := make([]byte, n/2)
		for i := range b {
			b[i] = byte(random.UintN(256))
		}
		return hex.EncodeToString(b)
	}
	p := filledPlan(func(int) string { return `["` + noise(expressions.MaxRow-6) + `",7]` }, 1_200)
	p.Spec.Parameters.Raw = []byte(`{"n":["",""],"x":"` + noise(120<<10) + `"}`)
	roundTrip(t, p)

	sizes := map[string]int{}
	for name, row := range map[string]func(int) string{
		"three regions": region,
		"each its name": func(i int) string { return fmt.Sprintf(`["cluster-%05d",1]`, i) },
	} {
		chunks, err := EncodePlan(filledPlan(row, 10_000))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			sizes[name] += len(c)
		}
	}
	bare, err := EncodePlan(planOf(10_000))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range bare {
		sizes["none"] += len(c)
	}
	t.Logf("bytes of a plan of 10,000 clusters: %v", sizes)
	if sizes["three regions"] > 2*sizes["none"] {
		t.Errorf("values that hardly differ double the plan: %v", sizes)
	}
}
