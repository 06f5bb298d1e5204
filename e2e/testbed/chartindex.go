// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"sigs.k8s.io/yaml"
)

// chartIndex is the index.yaml of a Helm repository, as far as Flux and Helm read it. Helm's own package for it (pkg/repo) would link
// kubectl and kustomize: 138 packages that every first `make demo` compiles.
type chartIndex struct {
	APIVersion string                  `json:"apiVersion"`
	Generated  time.Time               `json:"generated"`
	Entries    map[string][]indexEntry `json:"entries"`
}

type indexEntry struct {
	*chart.Metadata
	URLs    []string  `json:"urls"`
	Created time.Time `json:"created"`
	Digest  string    `json:"digest"`
}

func newChartIndex() *chartIndex {
	return &chartIndex{APIVersion: "v1", Generated: time.Now(), Entries: map[string][]indexEntry{}}
}

// add lists a packaged chart, to be fetched by its file name from where the index is.
func (i *chartIndex) add(m *chart.Metadata, archive string, data []byte) {
	digest := sha256.Sum256(data)
	i.Entries[m.Name] = append(i.Entries[m.Name], indexEntry{
		Metadata: m, URLs: []string{filepath.Base(archive)}, Created: i.Generated, Digest: hex.EncodeToString(digest[:]),
	})
}

func (i *chartIndex) write(dir string) error {
	data, err := yaml.Marshal(i)
	if err != nil {
		return fmt.Errorf("index the charts: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "index.yaml"), data, 0o644)
}
