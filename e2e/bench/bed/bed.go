// SPDX-License-Identifier: Apache-2.0

package bed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	clusterv1beta2 "open-cluster-management.io/api/cluster/v1beta2"
	workv1 "open-cluster-management.io/api/work/v1"
	workv1alpha1 "open-cluster-management.io/api/work/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// Workers is how many requests are under way at once, for every writer of a benchmark: the floor's, and the one that plays the clusters.
const Workers = 32

// Namespace on the hub of everything that a benchmark creates.
const Namespace = "bench"

// WorkManager is the process of Open Cluster Management's work manager, with its ManifestWorkReplicaSet controller.
const WorkManager = "hub-ocm-work"

// Bed is a hub without clusters, until Grow makes some.
type Bed struct {
	Fleet *testbed.Fleet
	// Config of an administrator, whom nobody limits. Every arm acts as this one.
	Config *rest.Config
	// Client of the same, without a cache.
	Client client.WithWatch
	// Say is where it tells what it does.
	Say io.Writer

	clusters []string
	sizes    []int
}

// Up starts a hub for fleets of the given sizes. Of OCM's controllers only placement goes on running: registration would take clusters for lost that have no
// agents, and the work manager is an arm.
func Up(ctx context.Context, say io.Writer, sizes ...int) (*Bed, error) {
	fleet, err := testbed.Up(ctx, testbed.Options{Clusters: 0, Engines: []string{}, Progress: say})
	if err != nil {
		return nil, err
	}
	b := &Bed{Fleet: fleet, Say: say, sizes: append([]int{1}, sizes...)} // a first payload, to one cluster, tells that an arm is ready
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(err, fleet.Down())
	}
	return b, nil
}

// Down ends everything and removes it.
func (b *Bed) Down() error { return b.Fleet.Down() }

func (b *Bed) prepare(ctx context.Context) error {
	b.Config = rest.CopyConfig(b.Fleet.Hub.Config())
	b.Config.QPS = -1
	b.Config.UserAgent = "vworkspace-bench"
	var err error
	if b.Client, err = client.NewWithWatch(b.Config, client.Options{Scheme: Scheme()}); err != nil {
		return err
	}
	// Registration makes the set of all clusters, without which no Placement decides for anything. That done, it may go.
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, settles, true, func(ctx context.Context) (bool, error) {
		err := b.Client.Get(ctx, client.ObjectKey{Name: clusterSet}, &clusterv1beta2.ManagedClusterSet{})
		return err == nil, client.IgnoreNotFound(err)
	})
	if err != nil {
		return fmt.Errorf("wait for ManagedClusterSet %s: %w", clusterSet, err)
	}
	for _, name := range []string{"hub-ocm-registration", WorkManager} {
		if err := b.Fleet.Process(name).Stop(); err != nil {
			return err
		}
	}
	return b.makeNamespace(ctx, Namespace)
}

// Scheme of the kinds that benchmarks write.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, opsv1alpha1.AddToScheme, appsv1alpha1.AddToScheme, workv1.Install, workv1alpha1.Install,
		clusterv1.Install, clusterv1beta1.Install, clusterv1beta2.Install,
	} {
		if err := add(s); err != nil {
			panic(fmt.Sprintf("a scheme of known kinds: %v", err))
		}
	}
	return s
}

// Tell prints a line with the time.
func (b *Bed) Tell(format string, args ...any) {
	_, _ = fmt.Fprintf(b.Say, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
