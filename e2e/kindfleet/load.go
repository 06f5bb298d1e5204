// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
)

// Load an archive of images, as docker save and `make images` write it, into a cluster's node.
func (c *Cluster) Load(archive string) error {
	raw, err := os.Open(filepath.Clean(archive))
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	if err := nodeutils.LoadImageArchive(c.node, raw); err != nil {
		return fmt.Errorf("load images into %s: %w", c.Name, err)
	}
	return nil
}
