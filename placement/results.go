// SPDX-License-Identifier: Apache-2.0

package placement

import "fmt"

// resultChunk is a chunk of kept results: those of the clusters that have the same chunk in the plan. A cluster that was started and has not ended is there
// as Pending, one that is to be started again without a state.
type resultChunk struct {
	Results []ClusterResult `json:"results"`
}

// EncodeResults packs the results of one chunk. The same results give the same bytes.
func EncodeResults(results []ClusterResult) ([]byte, error) {
	data, err := pack(resultChunk{Results: results})
	if err != nil {
		return nil, fmt.Errorf("encode results: %w", err)
	}
	return data, nil
}

// DecodeResults unpacks one chunk of results.
func DecodeResults(data []byte) ([]ClusterResult, error) {
	var c resultChunk
	if err := unpack(data, &c); err != nil {
		return nil, fmt.Errorf("decode results: %w", err)
	}
	return c.Results, nil
}
