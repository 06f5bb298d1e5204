// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	"vworkspace.io/fleet/expressions"
)

// Parameters that the cluster with an index in the plan is given.
func (p Plan) Parameters(i int) (*runtime.RawExtension, error) {
	if len(p.Blanks) == 0 {
		return p.Spec.Parameters, nil
	}
	filled, err := expressions.Fill(p.Spec.Parameters, p.Blanks, p.Rows[i])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPlanCorrupt, err)
	}
	return filled, nil
}

// Renderings tells of each set of values that differs: the index of the first cluster that has it, and on how many clusters it is. It ends when tell says false.
func (p Plan) Renderings(tell func(first, clusters int) bool) {
	count := map[string]int{}
	for _, row := range p.Rows {
		count[string(row)]++
	}
	for i, row := range p.Rows {
		if n := count[string(row)]; n > 0 {
			if count[string(row)] = 0; !tell(i, n) {
				return
			}
		}
	}
}

// rowTable is how the rows of a chunk's clusters are stored: each once.
type rowTable struct {
	Rows []json.RawMessage `json:"rows,omitempty"`
	Of   []int             `json:"rowOf,omitempty"` // by cluster of the chunk, an index into Rows
}

func tableOf(rows []json.RawMessage) rowTable {
	var t rowTable
	index := map[string]int{}
	for _, row := range rows {
		i, known := index[string(row)]
		if !known {
			i = len(t.Rows)
			index[string(row)] = i
			t.Rows = append(t.Rows, row)
		}
		t.Of = append(t.Of, i)
	}
	return t
}

// rows of the clusters of a chunk: one for each of them, or none at all.
func (t rowTable) rows(clusters int) ([]json.RawMessage, error) {
	if len(t.Of) == 0 && len(t.Rows) == 0 {
		return nil, nil
	}
	if len(t.Of) != clusters {
		return nil, fmt.Errorf("%w: %d clusters and the values of %d", ErrPlanCorrupt, clusters, len(t.Of))
	}
	rows := make([]json.RawMessage, 0, clusters)
	for _, i := range t.Of {
		if i < 0 || i >= len(t.Rows) {
			return nil, fmt.Errorf("%w: there are no values %d", ErrPlanCorrupt, i)
		}
		rows = append(rows, t.Rows[i])
	}
	return rows, nil
}
