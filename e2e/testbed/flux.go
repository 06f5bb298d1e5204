// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	_ "embed"
)

// fluxNamespace is where Flux' controllers would run.
const fluxNamespace = "flux-system"

// fluxManifest holds that namespace.
//
//go:embed manifests/flux.yaml
var fluxManifest []byte

// startFlux starts source-controller and helm-controller.
func (f *Fleet) startFlux(ctx context.Context, spoke *Cluster) error {
	if err := Apply(ctx, spoke.config, fluxManifest); err != nil {
		return fmt.Errorf("prepare %s for Flux: %w", spoke.Name, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.startSourceController(ctx, spoke) })
	group.Go(func() error { return f.startHelmController(ctx, spoke) })
	return group.Wait()
}

// startSourceController fetches charts and serves them to helm-controller.
func (f *Fleet) startSourceController(ctx context.Context, spoke *Cluster) error {
	store := f.dir.data(spoke.Name, "sources")
	if err := os.MkdirAll(store, 0o755); err != nil {
		return err
	}
	return f.startFluxController(ctx, spoke, sourceController, func(port int) []string {
		return []string{
			"--storage-path=" + store, "--storage-addr=" + address(port), "--storage-adv-addr=" + address(port),
		}
	})
}

// startHelmController installs and upgrades Helm releases.
func (f *Fleet) startHelmController(ctx context.Context, spoke *Cluster) error {
	return f.startFluxController(ctx, spoke, helmController, func(int) []string {
		return []string{"--requeue-dependency=2s"} // a release waits for its chart: look again soon
	})
}

// startFluxController starts one of Flux' controllers. Their metrics, health and storage all have default ports, on which a
// second spoke's would collide.
func (f *Fleet) startFluxController(ctx context.Context, spoke *Cluster, c component, flags func(storagePort int) []string) error {
	_, err := f.sup.launch(ctx, func() (Command, probe, error) {
		ports, err := freePorts(2)
		if err != nil {
			return Command{}, nil, err
		}
		health, storage := ports[0], ports[1]
		return Command{
			Name: spoke.process(c.name),
			Path: f.bin.path(c),
			Args: append([]string{
				"--metrics-addr=0", "--events-addr=", "--health-addr=" + address(health),
				"--log-encoding=console",
				"--kube-api-qps=200", "--kube-api-burst=400",
				"--interval-jitter-percentage=0",
			}, flags(storage)...),
			Env: append(f.childEnv(),
				"KUBECONFIG="+spoke.KubeconfigPath, "RUNTIME_NAMESPACE="+fluxNamespace,
				"TUF_ROOT="+f.dir.data("tmp", "sigstore"), "HOME="+f.dir.data("tmp")),
		}, httpReady("http://" + address(health) + "/readyz"), nil
	})
	return err
}
