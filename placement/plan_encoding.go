// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/expressions"
)

// ErrPlanCorrupt means that the chunks of a plan do not belong together.
var ErrPlanCorrupt = errors.New("the chunks of the plan do not belong together")

// planChunk is one chunk of an encoded plan. The first one says how many others there are and what is in them, so that its digest is the
// whole plan's.
type planChunk struct {
	Clusters  int                        `json:"clusters,omitempty"`  // of the whole plan; first chunk only
	Operation *opsv1alpha1.OperationSpec `json:"operation,omitempty"` // first chunk only
	Others    []string                   `json:"others,omitempty"`    // SHA-256 of chunks 1, 2, ...; first chunk only
	Blanks    []expressions.Blank        `json:"blanks,omitempty"`    // first chunk only
	Groups    []chunkGroup               `json:"groups"`
	rowTable                             // of the clusters of this chunk, in its order
}

// chunkGroup is the part of a decision group that fell into a chunk.
type chunkGroup struct {
	Index int `json:"index"`
	Group
}

// EncodePlan splits a plan into chunks. The same plan gives the same chunks.
func EncodePlan(p Plan) ([][]byte, error) {
	parts := split(p.Groups)
	chunks := make([][]byte, len(parts))
	var others []string
	for i := 1; i < len(parts); i++ {
		data, err := pack(planChunk{Groups: parts[i], rowTable: tableOf(p.rowsIn(i))})
		if err != nil {
			return nil, fmt.Errorf("encode chunk %d of the plan: %w", i, err)
		}
		chunks[i] = data
		others = append(others, Digest(data))
	}
	first, err := pack(planChunk{Clusters: p.Len(), Operation: &p.Spec, Others: others, Blanks: p.Blanks, Groups: parts[0], rowTable: tableOf(p.rowsIn(0))})
	if err != nil {
		return nil, fmt.Errorf("encode chunk 0 of the plan: %w", err)
	}
	chunks[0] = first
	return chunks, nil
}

// DecodePlan puts the chunks of a plan together again. It fails with ErrPlanCorrupt when they were not made together: acting on a mixture
// of two plans would be worse than not acting.
func DecodePlan(chunks [][]byte) (Plan, error) {
	var p Plan
	for i, data := range chunks {
		var c planChunk
		if err := unpack(data, &c); err != nil {
			return Plan{}, fmt.Errorf("decode chunk %d of the plan: %w", i, err)
		}
		if i == 0 {
			if c.Operation == nil || len(c.Others) != len(chunks)-1 {
				return Plan{}, fmt.Errorf("%w: %d chunks are there and %d belong to it", ErrPlanCorrupt, len(chunks), 1+len(c.Others))
			}
			for j, want := range c.Others {
				if Digest(chunks[j+1]) != want {
					return Plan{}, fmt.Errorf("%w: chunk %d is another plan's", ErrPlanCorrupt, j+1)
				}
			}
			p.Spec, p.Blanks = *c.Operation, c.Blanks
		}
		if err := p.join(c.Groups, c.rowTable); err != nil {
			return Plan{}, fmt.Errorf("decode chunk %d of the plan: %w", i, err)
		}
	}
	if len(p.Blanks) > 0 && len(p.Rows) != p.Len() {
		return Plan{}, fmt.Errorf("%w: %d clusters and the values of %d", ErrPlanCorrupt, p.Len(), len(p.Rows))
	}
	if len(p.Rows) > 0 {
		if _, err := p.Parameters(0); err != nil {
			return Plan{}, err
		}
	}
	return p, nil
}

// rowsIn are the rows of the clusters in a chunk.
func (p Plan) rowsIn(chunk int) []json.RawMessage {
	return p.Rows[min(chunk*ChunkSize, len(p.Rows)):min((chunk+1)*ChunkSize, len(p.Rows))]
}

// join appends the groups of the next chunk; its first group may go on where the last chunk stopped.
func (p *Plan) join(groups []chunkGroup, table rowTable) error {
	clusters := 0
	for _, g := range groups {
		clusters += len(g.Clusters)
		switch {
		case g.Index == len(p.Groups):
			p.Groups = append(p.Groups, g.Group)
		case g.Index == len(p.Groups)-1:
			last := &p.Groups[g.Index]
			last.Clusters = append(last.Clusters, g.Clusters...)
		default:
			return fmt.Errorf("%w: group %d follows group %d", ErrPlanCorrupt, g.Index, len(p.Groups)-1)
		}
	}
	rows, err := table.rows(clusters)
	p.Rows = append(p.Rows, rows...)
	return err
}

// split cuts groups into chunks of ChunkSize clusters.
func split(groups []Group) [][]chunkGroup {
	parts := [][]chunkGroup{{}}
	room := ChunkSize
	for i, g := range groups {
		for rest := g.Clusters; len(rest) > 0; {
			if room == 0 {
				parts, room = append(parts, []chunkGroup{}), ChunkSize
			}
			n := min(room, len(rest))
			last := len(parts) - 1
			parts[last] = append(parts[last], chunkGroup{Index: i, Group: Group{Name: g.Name, Decision: g.Decision, Clusters: rest[:n]}})
			rest, room = rest[n:], room-n
		}
	}
	return parts
}

// Digest of a chunk. That of the first chunk stands for the whole plan.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
