// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"
)

// startVolSync starts VolSync. Its movers are Jobs, whose Pods are simulated: no byte is copied.
func (f *Fleet) startVolSync(ctx context.Context, spoke *Cluster) error {
	if err := ApplyFiles(ctx, spoke.config, f.bin.manifestDir(snapshotCRDs), f.bin.manifestDir(volSyncCRDs)); err != nil {
		return fmt.Errorf("prepare %s for VolSync: %w", spoke.Name, err)
	}
	_, err := f.sup.launch(ctx, func() (Command, probe, error) {
		port, err := freePort()
		return Command{
			Name: spoke.process(volSync.name),
			Path: f.bin.path(volSync),
			Args: []string{"--metrics-bind-address=0", "--health-probe-bind-address=" + address(port)},
			Env:  append(f.childEnv(), "KUBECONFIG="+spoke.KubeconfigPath),
		}, httpReady("http://" + address(port) + "/readyz"), err
	})
	return err
}
