// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"vworkspace.io/fleet/e2e/testbed"

	_ "embed"
)

// The executors of the engines, as pods. Each has its own namespace.
var (
	//go:embed manifests/flux.yaml
	fluxManifest string
	//go:embed manifests/argo.yaml
	argoManifest string
	//go:embed manifests/velero.yaml
	veleroManifest string
	//go:embed manifests/volsync.yaml
	volsyncManifest string
)

// executors are the namespaces of the engines' controllers, and what installs them.
var executors = map[string]*string{
	"flux-system": &fluxManifest, "argo": &argoManifest, "velero": &veleroManifest, "volsync-system": &volsyncManifest,
}

// ExecutorNamespaces are where the pods of the engines' controllers are, on every spoke.
func ExecutorNamespaces() []string { return slices.Sorted(maps.Keys(executors)) }

// executorCRDs are folders of the kit's manifests.
var executorCRDs = []string{"source-controller", "helm-controller", "velero", "velero-data", "argo", "volsync", "snapshot"}

// StartEngines installs the executors of all engines on every spoke, and returns when their pods are ready.
func (f *Fleet) StartEngines(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, spoke := range f.Spokes {
		group.Go(func() error {
			begun := time.Now()
			if err := spoke.Load(f.kit.executorArchive()); err != nil {
				return err
			}
			if err := f.startStorage(ctx, spoke); err != nil {
				return err
			}
			if err := f.installEngines(ctx, spoke); err != nil {
				return err
			}
			f.say("the engines of %s are ready, after %s", spoke.Name, time.Since(begun).Round(time.Second))
			return nil
		})
	}
	return group.Wait()
}

func (f *Fleet) installEngines(ctx context.Context, spoke *Cluster) error {
	var crds []string
	for _, folder := range executorCRDs {
		crds = append(crds, f.kit.binaries.manifests[folder])
	}
	if err := testbed.ApplyFiles(ctx, spoke.Config, crds...); err != nil {
		return fmt.Errorf("install the engines' CRDs on %s: %w", spoke.Name, err)
	}
	fill := strings.NewReplacer("S3_URL", f.S3, "PREFIX", spoke.Name)
	for _, namespace := range ExecutorNamespaces() {
		if err := testbed.Apply(ctx, spoke.Config, []byte(fill.Replace(*executors[namespace]))); err != nil {
			return fmt.Errorf("install %s on %s: %w", namespace, spoke.Name, err)
		}
	}
	for _, namespace := range ExecutorNamespaces() {
		if err := f.Ready(ctx, spoke, namespace); err != nil {
			return err
		}
	}
	return nil
}

// Ready waits until every Deployment and DaemonSet of a namespace has its pods.
func (f *Fleet) Ready(ctx context.Context, c *Cluster, namespace string) error {
	kube, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	err = until(ctx, patience, func() error {
		all, err := kube.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range all.Items {
			if d := &all.Items[i]; !available(d) {
				return fmt.Errorf("%s has %d of %d pods", d.Name, d.Status.AvailableReplicas, *d.Spec.Replicas)
			}
		}
		daemons, err := kube.AppsV1().DaemonSets(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range daemons.Items {
			d := &daemons.Items[i]
			if d.Status.ObservedGeneration < d.Generation || d.Status.DesiredNumberScheduled == 0 || d.Status.NumberAvailable < d.Status.DesiredNumberScheduled {
				return fmt.Errorf("%s has %d of %d pods", d.Name, d.Status.NumberAvailable, d.Status.DesiredNumberScheduled)
			}
		}
		return nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("wait for the pods of %s on %s: %w", namespace, c.Name, err), f.unwell(ctx, c, namespace))
	}
	return nil
}

func available(d *appsv1.Deployment) bool {
	return d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas == *d.Spec.Replicas && d.Status.AvailableReplicas == *d.Spec.Replicas
}

// startS3 starts an S3 server beside the nodes, which they reach by their gateway. What it stores is in memory.
func (f *Fleet) startS3(ctx context.Context) error {
	gateway, err := f.gateway(ctx)
	if err != nil {
		return err
	}
	at := gateway + ":9000"
	f.S3 = "http://" + at
	f.s3, err = start(command{name: f.kit.binaries.components["gofakes3"], args: []string{"-backend=memory", "-initialbucket=velero", "-host=" + at, "-quiet"}},
		filepath.Join(f.dir, "s3.log"))
	return err
}

// gateway is this process's address on the nodes' network.
func (f *Fleet) gateway(ctx context.Context) (string, error) {
	out, err := f.engine.docker(ctx, "network", "inspect", "kind", "--format", "{{range .IPAM.Config}}{{.Gateway}} {{end}}")
	if err != nil {
		return "", err
	}
	for _, address := range strings.Fields(out) {
		if !strings.Contains(address, ":") {
			return address, nil
		}
	}
	return "", fmt.Errorf("the nodes' network has no IPv4 gateway: %q", out)
}
