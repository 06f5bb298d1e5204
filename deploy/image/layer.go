// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is a file system in memory, as a tar that partial compresses.
type layer struct{ tar []byte }

// layerOf holds one file, /NAME, which everybody may run and nobody may write.
func layerOf(name, binary string, created time.Time) (v1.Layer, error) {
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o555, ModTime: created, Format: tar.FormatUSTAR}
	if err := w.WriteHeader(header); err != nil {
		return nil, fmt.Errorf("put %s into a layer: %w", name, err)
	}
	if _, err := w.Write(data); err != nil {
		return nil, fmt.Errorf("put %s into a layer: %w", name, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("put %s into a layer: %w", name, err)
	}
	return partial.UncompressedToLayer(layer{b.Bytes()})
}

func (l layer) DiffID() (v1.Hash, error) {
	sum := sha256.Sum256(l.tar)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}, nil
}

func (l layer) Uncompressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.tar)), nil
}

func (layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }
