// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"context"
	"fmt"
	"sync"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Census counts the objects of caches by a key. Every event of a cache changes it by a difference, so that a scrape costs the number of keys and not
// that of objects, and nothing is kept of an object.
type Census[K comparable] struct {
	// key of an object, and whether it counts at all.
	key func(client.Object) (K, bool)

	mu     sync.Mutex
	counts map[*census[K]]struct{}
}

// census is what one cache adds.
type census[K comparable] map[K]int

// NewCensus counts by key; what key says no to is left out.
func NewCensus[K comparable](key func(client.Object) (K, bool)) *Census[K] {
	return &Census[K]{key: key, counts: map[*census[K]]struct{}{}}
}

// Watch counts the objects of obj's kind in a cache until ctx ends. It does not wait for the cache.
func (c *Census[K]) Watch(ctx context.Context, in cache.Informers, obj client.Object) error {
	informer, err := in.GetInformer(ctx, obj, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("count %T: %w", obj, err)
	}
	here := &census[K]{}
	registered, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { c.change(here, nil, o) },
		UpdateFunc: func(before, after any) { c.change(here, before, after) },
		DeleteFunc: func(o any) { c.change(here, o, nil) },
	})
	if err != nil {
		return fmt.Errorf("count %T: %w", obj, err)
	}
	c.mu.Lock()
	c.counts[here] = struct{}{}
	c.mu.Unlock()
	context.AfterFunc(ctx, func() {
		_ = informer.RemoveEventHandler(registered) // fails only where the informer has stopped, which is as good
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.counts, here)
	})
	return nil
}

// change counts one object less, or one more, or the same one under another key. An informer hands every handler each object's versions in their order.
func (c *Census[K]) change(here *census[K], before, after any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, counts := c.keyOf(before); counts {
		if (*here)[k]--; (*here)[k] == 0 {
			delete(*here, k)
		}
	}
	if k, counts := c.keyOf(after); counts {
		(*here)[k]++
	}
}

func (c *Census[K]) keyOf(o any) (key K, counts bool) {
	if t, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = t.Obj
	}
	if obj, ok := o.(client.Object); ok {
		return c.key(obj)
	}
	return key, false
}

// Counts of all caches together; no count is 0.
func (c *Census[K]) Counts() map[K]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := map[K]int{}
	for here := range c.counts {
		for k, n := range *here {
			sum[k] += n
		}
	}
	return sum
}
