// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
)

// ChunkSize is the number of clusters in one chunk of a plan or of results: with messages of 1 KiB that do not compress at all, a
// chunk stays below the 1 MiB that a ConfigMap may hold.
const ChunkSize = 500

// maxChunk bounds what a chunk may unpack to, so that a forged one cannot exhaust the hub.
const maxChunk = 16 << 20

// Chunks is how many chunks hold n clusters: at least one, because the first chunk of a plan also says what is done.
func Chunks(n int) int { return max(1, (n+ChunkSize-1)/ChunkSize) }

// pack is deterministic: the same value gives the same bytes in every process of one build.
func pack(v any) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func unpack(data []byte, v any) error {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(io.LimitReader(z, maxChunk+1))
	if err != nil {
		return err
	}
	if len(raw) > maxChunk {
		return fmt.Errorf("unpacks to more than %d bytes", maxChunk)
	}
	return json.Unmarshal(raw, v)
}
