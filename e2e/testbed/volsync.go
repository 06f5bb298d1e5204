// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
)

// startVolSync starts VolSync. Its movers are Jobs, whose Pods are simulated: no byte is copied.
func (f *Fleet) startVolSync(ctx context.Context, spoke *Cluster) error {
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
