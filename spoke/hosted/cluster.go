// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"vworkspace.io/fleet/spoke"
)

// Cluster makes a cluster one that can be engaged while its API server is away: an answer is needed neither to make it nor to begin to watch it. Its
// informers go on asking, as they do when an API server goes away later, and what is reconciled waits until they have been told. The scheme needs
// spoke.AddToScheme.
func Cluster(scheme *runtime.Scheme) cluster.Option {
	return func(o *cluster.Options) {
		o.Scheme = scheme
		o.Cache = spoke.CacheOptions()
		o.MapperProvider = newMapper
		o.NewCache = newCache
	}
}

// neverWaiting is a cache for which nobody waits while a cluster is engaged. Clusters are engaged one after the other, under the locks of every
// controller: one that does not answer, or does not let its agent list something, would keep all others from coming and going.
type neverWaiting struct{ cache.Cache }

func newCache(config *rest.Config, o cache.Options) (cache.Cache, error) {
	c, err := cache.New(config, o)
	if err != nil {
		return nil, err
	}
	return neverWaiting{c}, nil
}

// WaitForCacheSync tells whether the cluster is still wanted.
func (n neverWaiting) WaitForCacheSync(ctx context.Context) bool { return ctx.Err() == nil }

// GetInformer returns an informer that may not be filled yet.
func (n neverWaiting) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	return n.Cache.GetInformer(ctx, obj, append(opts, cache.BlockUntilSynced(false))...)
}
