// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	_ "embed"
)

// csiDriver is the fake CSI driver of a spoke: volumes and snapshots that hold nothing.
const csiDriver = "csi.simulated.vworkspace.io"

// storageManifest holds the driver with its StorageClass and VolumeSnapshotClass, both default and called simulated.
//
//go:embed manifests/storage.yaml
var storageManifest []byte

// startStorage makes PersistentVolumeClaims and VolumeSnapshots work: the real snapshot-controller, and the fake driver.
func (f *Fleet) startStorage(ctx context.Context, spoke *Cluster) error {
	if err := Apply(ctx, spoke.config, storageManifest); err != nil {
		return fmt.Errorf("prepare the storage of %s: %w", spoke.Name, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := f.sup.launch(ctx, func() (Command, probe, error) {
			port, err := freePort()
			return Command{
				Name: spoke.process(snapshotController.name),
				Path: f.bin.path(snapshotController),
				Args: []string{
					"--kubeconfig=" + spoke.KubeconfigPath, "--leader-election=false", "--http-endpoint=" + address(port),
					"--kube-api-qps=200", "--kube-api-burst=400", "--retry-interval-start=200ms",
				},
				Env: f.childEnv(),
			}, httpReady("http://" + address(port) + "/metrics"), err
		})
		return err
	})
	group.Go(func() error {
		_, err := f.sup.launch(ctx, func() (Command, probe, error) {
			return Command{
				Name: spoke.process(csi.name),
				Path: f.bin.path(csi),
				Args: []string{"--kubeconfig=" + spoke.KubeconfigPath, "--driver=" + csiDriver},
				Env:  f.childEnv(),
			}, func(context.Context) error { return nil }, nil // it serves nothing that could be asked
		})
		return err
	})
	return group.Wait()
}
