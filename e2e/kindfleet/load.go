// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
)

// archive of images, to be loaded into clusters.
func (f *Fleet) archive(ctx context.Context, images ...image) (string, error) {
	out, err := os.CreateTemp(f.dir, "images-*.tar")
	if err != nil {
		return "", err
	}
	if err := out.Close(); err != nil {
		return "", err
	}
	return out.Name(), writeImages(ctx, out.Name(), images)
}

// component is a binary of the testbed, at a path of an image.
func (f *Fleet) component(name, to string) map[string]string {
	return map[string]string{to: f.kit.binaries.components[name]}
}

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
