// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/providers/kubeconfig"
)

const (
	// DefaultNamespace is where the Secrets of the hosted clusters are.
	DefaultNamespace = "vworkspace-hosted"
	// DefaultLabel marks them, with the value "true". It is multicluster-runtime's own.
	DefaultLabel = kubeconfig.DefaultKubeconfigSecretLabel
	// SecretKey is the key of the kubeconfig in a Secret's data.
	SecretKey = kubeconfig.DefaultKubeconfigSecretKey
	// LeaderElectionID names the Lease, in the namespace of the Secrets.
	LeaderElectionID = "vworkspace-hosted"

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
}

// Validate the source. Errors begin with the name of the flag, without dashes.
func (s Source) Validate() error {
	if msgs := validation.IsDNS1123Label(s.Namespace); len(msgs) > 0 {
		return fmt.Errorf("hosted-namespace: %q cannot be a namespace: %s", s.Namespace, strings.Join(msgs, "; "))
	}
	if msgs := validation.IsQualifiedName(s.Label); len(msgs) > 0 {
		return fmt.Errorf("hosted-label: %q cannot be a label's key: %s", s.Label, strings.Join(msgs, "; "))
	}
	return nil
}

// Manage sets a manager's options to watch these Secrets and nothing else on the cluster that the process runs on. The Lease is beside them.
func (s Source) Manage(o *manager.Options) {
	o.Cache = cache.Options{ByObject: map[client.Object]cache.ByObject{
		&corev1.Secret{}: {Namespaces: map[string]cache.Config{
			// By label: a Secret that loses it is gone for us, and its cluster leaves.
			s.Namespace: {LabelSelector: labels.SelectorFromSet(labels.Set{s.Label: "true"})},
		}, Transform: withoutFiles},
	}}
	o.LeaderElectionID, o.LeaderElectionNamespace = LeaderElectionID, s.Namespace
	if o.Controller.GroupKindConcurrency == nil {
		o.Controller.GroupKindConcurrency = map[string]int{}
	}
	o.Controller.GroupKindConcurrency["Secret"] = joining
}

// NewManager makes the multicluster manager of the clusters that the source's Secrets name. The local manager was made with Manage.
func (s Source) NewManager(ctx context.Context, local manager.Manager, scheme *runtime.Scheme) (mcmanager.Manager, error) {
	provider := kubeconfig.New(kubeconfig.Options{
		Namespace:             s.Namespace,
		KubeconfigSecretLabel: s.Label,
		KubeconfigSecretKey:   SecretKey,
		ClusterOptions:        []cluster.Option{Cluster(scheme)},
		RESTOptions:           []func(*rest.Config) error{accept, unlimited},
	})
	mgr, err := mcmanager.WithMultiCluster(local, provider)
	if err != nil {
		return nil, err
	}
	if err := provider.SetupWithManager(ctx, mgr); err != nil {
		return nil, fmt.Errorf("watch the Secrets of the hosted clusters: %w", err)
	}
	return mgr, nil
}
