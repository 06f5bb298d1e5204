// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"io"
	"os"
	"path/filepath"
)

// assetsVariable names the folder of ready binaries that envtest uses too.
const assetsVariable = "KUBEBUILDER_ASSETS"

// Assets makes sure that kube-apiserver, etcd and kubectl exist and returns their folder, for envtest's
// BinaryAssetsDirectory. It builds them on the first call, with a line per component to out, which may be nil;
// later calls take milliseconds. When KUBEBUILDER_ASSETS names a folder with all three, that folder is returned.
func Assets(ctx context.Context, out io.Writer) (string, error) {
	dir := os.Getenv(assetsVariable)
	if len(providedBy(dir, envtestComponents)) == len(envtestComponents) {
		return dir, nil
	}
	// All three or none: envtest looks in one folder, and two Kubernetes versions should not be mixed.
	b, err := ensure(ctx, newProgress(out), nil, envtestComponents, nil)
	if err != nil {
		return "", err
	}
	return filepath.Join(b.dir, "bin"), nil
}

// Build makes sure that every binary of a fleet exists, so that Up starts at once.
func Build(ctx context.Context, out io.Writer) error {
	components, manifests := needs(AllEngines, false)
	_, err := ensure(ctx, newProgress(out), providedBy(os.Getenv(assetsVariable), envtestComponents), components, manifests)
	return err
}

// KubernetesVersion is that of every cluster of the testbed, such as v1.2.3.
const KubernetesVersion = kubernetesVersion

// NodeBinaries makes sure that the binaries of a fleet of real nodes exist, with the controllers of all engines, and returns their paths by name and
// the folders of their manifests. They are built from the same module as those of a fleet of processes, and share their cache.
func NodeBinaries(ctx context.Context, out io.Writer) (binaries, manifests map[string]string, err error) {
	_, folders := needs(AllEngines, false)
	b, err := ensure(ctx, newProgress(out), nil, nodeComponents, folders)
	if err != nil {
		return nil, nil, err
	}
	binaries, manifests = map[string]string{}, map[string]string{}
	for _, c := range nodeComponents {
		binaries[c.name] = b.path(c)
	}
	for _, m := range folders {
		manifests[m.name] = b.manifestDir(m)
	}
	return binaries, manifests, nil
}
