// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"fmt"
	"path/filepath"
)

// ToolImage is an image with what Debian has: a shell, curl, jq. It runs as nobody.
const ToolImage = "vworkspace.test/tool:e2e"

// ocmImage is Open Cluster Management's, for the hub and the spokes.
func (k *Kit) ocmImage() []image {
	return []image{{name: "vworkspace.test/ocm:e2e", files: map[string]string{"ocm": k.binaries.components["ocm"]}, entrypoint: []string{"/ocm"}}}
}

// executorImages are those of the engines' executors, and of what they and people run on the spokes.
func (k *Kit) executorImages() []image {
	b := k.binaries.components
	base := k.baseArchive()
	return []image{
		{name: ToolImage, base: base, user: "65534"},
		{name: "vworkspace.test/flux:e2e", files: map[string]string{"source-controller": b["source-controller"], "helm-controller": b["helm-controller"]}},
		{name: "vworkspace.test/argo:e2e", files: map[string]string{"workflow-controller": b["workflow-controller"]}},
		{name: "vworkspace.test/argoexec:e2e", base: base, files: map[string]string{"usr/local/bin/argoexec": filepath.Join(k.binaries.workers, "argoexec")}, entrypoint: []string{"argoexec"}},
		{name: "vworkspace.test/velero-restore-helper:e2e", files: map[string]string{"velero-restore-helper": b["velero-restore-helper"]}},
		{name: "vworkspace.test/velero:e2e", files: map[string]string{"velero": b["velero"], "plugins/velero-plugin-for-aws": b["velero-plugin-for-aws"]}},
		{name: "vworkspace.test/volsync:e2e", base: base, files: map[string]string{
			"manager": b["volsync"], "usr/local/bin/restic": filepath.Join(k.binaries.workers, "restic"), "mover-restic/entry.sh": filepath.Join(k.binaries.volsync, "mover-restic/entry.sh"),
		}},
	}
}

// ocmArchive and executorArchive are files with these images.
func (k *Kit) ocmArchive() string      { return filepath.Join(k.dir, "ocm.tar") }
func (k *Kit) executorArchive() string { return filepath.Join(k.dir, "executors.tar") }

// makePodImages writes them, once: to compress them takes a minute of two cores.
func (k *Kit) makePodImages(ctx context.Context) error {
	for path, images := range map[string][]image{k.ocmArchive(): k.ocmImage(), k.executorArchive(): k.executorImages()} {
		if exists(path) {
			continue
		}
		if err := writeImages(ctx, path, images); err != nil {
			return fmt.Errorf("make %s: %w", filepath.Base(path), err)
		}
	}
	return nil
}
