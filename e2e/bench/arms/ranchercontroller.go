// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/bed"
	"vworkspace.io/fleet/e2e/testbed"
)

const (
	rancherModule     = "github.com/rancher/fleet"
	rancherController = "rancher-fleetcontroller"
	rancherSystem     = "cattle-fleet-system"
	rancherWorkspace  = "fleet-default" // where Bundles and Clusters are
	rancherMembers    = "cluster-fleet-default-"
	// rancherRegister is how long a new cluster may take.
	rancherRegister = 15 * time.Minute
)

var rancherCluster = schema.GroupVersionKind{Group: "fleet.cattle.io", Version: "v1alpha1", Kind: "Cluster"}

// rancherPrograms are built from e2e/bench/peers/rancher.
func rancherPrograms() testbed.Module {
	return testbed.Module{
		Path:     "e2e/bench/peers/rancher",
		Packages: map[string]string{rancherController: rancherModule + "/cmd/fleetcontroller"},
		Folders:  []testbed.Folder{{Name: "rancher-crds", Module: rancherModule, Dir: "charts/fleet-crd/templates", Files: "crds.yaml"}},
	}
}

// Prepare installs the CRDs and registers clusters.
func (r *rancher) Prepare(ctx context.Context, b *bed.Bed, n int) error {
	err := r.build(ctx, b, rancherPrograms(), r.install)
	if err != nil || r.members >= n {
		return err
	}
	err = r.startController(ctx)
	if err == nil {
		err = r.register(ctx, n)
	}
	if err == nil {
		r.members = n
	}
	return errors.Join(err, r.Stop())
}

func (r *rancher) install(ctx context.Context) error {
	if err := testbed.ApplyFiles(ctx, r.bed.Config, r.folders["rancher-crds"]); err != nil {
		return err
	}
	config := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": rancherSystem, "name": "fleet-controller"},
		"data": map[string]any{"config": "{}"},
	}
	return r.apply(ctx, namespaceObject(rancherSystem), namespaceObject(rancherWorkspace), config)
}

// Start is over when a Bundle has been brought to one cluster.
func (r *rancher) Start(ctx context.Context, _ int) error {
	if err := r.startController(ctx); err != nil {
		return err
	}
	return r.ready(ctx, r)
}

func (r *rancher) Stop() error { return r.halt() }

func (r *rancher) startController(ctx context.Context) error {
	_, health, err := loopback()
	if err != nil {
		return err
	}
	env := []string{
		"NAMESPACE=" + rancherSystem, "FLEET_HEALTHPROBE_BIND_ADDRESS=" + health,
		// It does not start without them, also where it elects nobody.
		"CATTLE_ELECTION_LEASE_DURATION=30s", "CATTLE_ELECTION_RENEW_DEADLINE=25s", "CATTLE_ELECTION_RETRY_PERIOD=10s",
	}
	for _, kind := range []string{"BUNDLE", "BUNDLEDEPLOYMENT", "CLUSTER", "CLUSTERGROUP", "IMAGESCAN", "SCHEDULE", "CONTENT"} {
		env = append(env, kind+"_RECONCILER_WORKERS=50")
	}
	r.running = nil
	return r.launch(ctx, rancherController, "http://"+health+"/healthz", env,
		"--kubeconfig="+r.bed.Fleet.Hub.KubeconfigPath, "--leader-elect=false", "--disable-metrics")
}

// register makes Clusters until there are n. The agent management, which does not run here, would make their namespaces and say so in their status.
func (r *rancher) register(ctx context.Context, n int) error {
	had, begun := r.members, time.Now()
	err := bed.Each(ctx, n-had, func(ctx context.Context, i int) error { return r.addCluster(ctx, had+i) })
	if err != nil {
		return fmt.Errorf("register clusters with Rancher Fleet: %w", err)
	}
	r.bed.Tell("%d clusters with Rancher Fleet in %s", n, time.Since(begun).Round(time.Second))
	return nil
}

func (r *rancher) addCluster(ctx context.Context, i int) error {
	name := r.bed.Clusters(i + 1)[i]
	namespace := &unstructured.Unstructured{Object: namespaceObject(rancherMembers + name)}
	c := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
	c.SetGroupVersionKind(rancherCluster)
	c.SetNamespace(rancherWorkspace)
	c.SetName(name)
	c.SetLabels(r.bed.Labels(i))
	for _, o := range []client.Object{namespace, c} {
		if err := client.IgnoreAlreadyExists(r.bed.Client.Create(ctx, o)); err != nil {
			return err
		}
	}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"namespace":"`+rancherMembers+name+`"}}`))
	if err := r.bed.Client.Status().Patch(ctx, c, patch); err != nil {
		return err
	}
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, rancherRegister, true, func(ctx context.Context) (bool, error) {
		err := r.bed.Client.Get(ctx, client.ObjectKeyFromObject(c), c)
		return len(c.GetFinalizers()) > 0, err
	})
	if err != nil {
		return fmt.Errorf("wait until Rancher Fleet has taken in %s: %w", name, err)
	}
	return r.bed.HasAccount(ctx, rancherMembers+name)
}
