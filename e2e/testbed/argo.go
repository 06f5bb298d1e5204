// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"

	_ "embed"
)

// argoManifest holds the controller's namespace and configuration.
//
//go:embed manifests/argo.yaml
var argoManifest []byte

// startArgo starts the workflow-controller.
func (f *Fleet) startArgo(ctx context.Context, spoke *Cluster) error {
	if err := Apply(ctx, spoke.config, argoManifest); err != nil {
		return fmt.Errorf("prepare %s for Argo: %w", spoke.Name, err)
	}
	_, err := f.sup.launch(ctx, func() (Command, probe, error) {
		port, err := freePort()
		return Command{
			Name: spoke.process(argo.name),
			Path: f.bin.path(argo),
			Args: []string{"--kubeconfig=" + spoke.KubeconfigPath, "--namespace=argo", "--health-addr=" + address(port)},
			// A step that has ended is noticed a second later, not ten.
			Env: append(f.childEnv(), "DEFAULT_REQUEUE_TIME=1s"),
		}, httpReady("http://" + address(port) + "/healthz"), err
	})
	return err
}
