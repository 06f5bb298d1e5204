// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"cmp"
	"fmt"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/validation"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
	"sigs.k8s.io/multicluster-runtime/providers/kubeconfig"
)

const (
	// DefaultNamespace is where the Secrets of the hosted clusters are.
	DefaultNamespace = "vworkspace-hosted"
	// DefaultLabel marks them, with the value "true". It is multicluster-runtime's own.
	DefaultLabel = kubeconfig.DefaultKubeconfigSecretLabel
	// SecretKey is the key of the kubeconfig in a Secret's data.
	SecretKey = kubeconfig.DefaultKubeconfigSecretKey
	// Workers of each controller of package spoke: 8 for each of 16 clusters whose API servers are slow at the same time.
	Workers = 128
	// joining is how many Secrets are looked at at once.
	joining = 8
)

// Source says which Secrets hold the clusters' kubeconfigs. A Secret's name is the name of the ManagedCluster.
type Source struct {
	// Namespace of the Secrets.
	Namespace string
	// Label that they carry with the value "true".
	Label string
	// Replica is the name of this process, unlike those of the others.
	Replica string
	// Timings of the Leases; DefaultTimings when zero.
	Timings Timings
	// Wrap is put around the way to each cluster's API server, behind the fence; nil for nothing. The fault harness sees there what is really sent.
	Wrap transport.WrapperFunc
}

// Validate the source. Errors begin with the name of the flag, without dashes.
func (s Source) Validate() error {
	if msgs := validation.IsDNS1123Label(s.Namespace); len(msgs) > 0 {
		return fmt.Errorf("hosted-namespace: %q cannot be a namespace: %s", s.Namespace, strings.Join(msgs, "; "))
	}
	if msgs := validation.IsQualifiedName(s.Label); len(msgs) > 0 {
		return fmt.Errorf("hosted-label: %q cannot be a label's key: %s", s.Label, strings.Join(msgs, "; "))
	}
	if msgs := validation.IsDNS1123Subdomain(s.Replica); len(msgs) > 0 {
		return fmt.Errorf("hosted-replica: %q cannot be a part of a Lease's name: %s", s.Replica, strings.Join(msgs, "; "))
	}
	return nil
}

// Manage sets a manager's options to watch these Secrets, and the Leases beside them, and nothing else on the cluster that the process runs on.
func (s Source) Manage(o *manager.Options) {
	ours := func(selector labels.Selector) map[string]cache.Config {
		return map[string]cache.Config{s.Namespace: {LabelSelector: selector}}
	}
	leases := labels.NewSelector()
	if exists, err := labels.NewRequirement(leaseLabel, selection.Exists, nil); err == nil { // a constant
		leases = leases.Add(*exists)
	}
	o.Cache = cache.Options{ByObject: map[client.Object]cache.ByObject{
		// By label: a Secret that loses it is gone for us, and its cluster leaves.
		&corev1.Secret{}:        {Namespaces: ours(labels.SelectorFromSet(labels.Set{s.Label: "true"})), Transform: withoutFiles},
		&coordinationv1.Lease{}: {Namespaces: ours(leases), Transform: cache.TransformStripManagedFields()},
	}}
	if o.Controller.GroupKindConcurrency == nil {
		o.Controller.GroupKindConcurrency = map[string]int{}
	}
	o.Controller.GroupKindConcurrency["Secret"] = joining
}

// NewManager makes the multicluster manager of the clusters that the source's Secrets name. The local manager was made with Manage. Where there are several
// replicas, each serves its share of the clusters.
func (s Source) NewManager(local manager.Manager, scheme *runtime.Scheme) (mcmanager.Manager, error) {
	if s.Timings == (Timings{}) {
		s.Timings = DefaultTimings()
	}
	s.Timings.Sweep = cmp.Or(s.Timings.Sweep, sweepEvery)
	// A renewal that is not answered is tried once more, on another connection.
	config := rest.CopyConfig(local.GetConfig())
	config.Timeout = s.Timings.Deadline / 2
	leases, err := coordinationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("prepare to write Leases: %w", err)
	}
	log, now := local.GetLogger().WithName("hosted"), clock.RealClock{}
	provider := &shard{
		clusters: &clusters{scheme: scheme, log: log, served: map[multicluster.ClusterName]cluster.Cluster{}},
		source:   s, log: log, clock: now, timings: s.Timings, holder: holderOf(s.Replica),
		leases: leases.Leases(s.Namespace), cache: local.GetCache(), cached: local.GetClient(),
		replicas: newReplicas(now, s.Replica, s.Timings.Duration),
		ready:    make(chan struct{}), claims: map[multicluster.ClusterName]*entry{},
	}
	mgr, err := mcmanager.WithMultiCluster(local, provider)
	if err != nil {
		return nil, err
	}
	if err := provider.watchSecrets(local); err != nil {
		return nil, fmt.Errorf("watch the Secrets of the hosted clusters: %w", err)
	}
	return sharing{mgr, provider}, nil
}
