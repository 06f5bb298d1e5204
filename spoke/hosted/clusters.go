// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// clusters are those that this replica serves, for multicluster-runtime. A cluster has connections, caches and watches while it is served and not otherwise.
type clusters struct {
	scheme *runtime.Scheme
	log    logr.Logger

	mu      sync.Mutex
	served  map[multicluster.ClusterName]cluster.Cluster
	indexes []index
}

type index struct {
	object client.Object
	field  string
	values client.IndexerFunc
}

// Get implements multicluster.Provider.
func (c *clusters) Get(_ context.Context, name multicluster.ClusterName) (cluster.Cluster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cl, ok := c.served[name]; ok {
		return cl, nil
	}
	return nil, multicluster.ErrClusterNotFound
}

// IndexField implements multicluster.Provider. It is for clusters that are served later: what sets up controllers does so before.
func (c *clusters) IndexField(_ context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.indexes = append(c.indexes, index{obj, field, values})
	return nil
}

// serve a cluster until stop is called. One after the other under a name.
func (c *clusters) serve(ctx context.Context, name multicluster.ClusterName, config *rest.Config, by multicluster.Aware) (stop func(), err error) {
	cl, err := cluster.New(config, Cluster(c.scheme))
	if err != nil {
		return nil, fmt.Errorf("prepare the cluster: %w", err)
	}
	c.mu.Lock()
	indexes := c.indexes
	c.mu.Unlock()
	for _, i := range indexes {
		if err := cl.GetFieldIndexer().IndexField(ctx, i.object, i.field, i.values); err != nil {
			return nil, fmt.Errorf("index field %s: %w", i.field, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		if err := cl.Start(ctx); err != nil {
			c.log.Error(err, "the cluster's caches ended", "cluster", name)
		}
	}()
	c.mu.Lock()
	c.served[name] = cl
	c.mu.Unlock()
	stop = func() {
		c.mu.Lock()
		delete(c.served, name)
		c.mu.Unlock()
		cancel()
	}
	if err := by.Engage(ctx, name, cl); err != nil {
		stop()
		return nil, fmt.Errorf("take the cluster on: %w", err)
	}
	return stop, nil
}
