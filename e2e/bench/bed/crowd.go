// SPDX-License-Identifier: Apache-2.0

package bed

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// patience bounds every wait for an arm. It says nothing about how fast one is.
const patience = 10 * time.Minute

// Within is a context that ends after a while, with a cause that says after which.
func Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("not within %s", d))
}

// Crowd is who is there of a kind with some labels, as a watch tells.
type Crowd struct {
	stop   context.CancelFunc
	listed cache.InformerSynced // all that were there at the start have been noted

	mu      sync.Mutex
	here    map[client.ObjectKey]bool
	at      time.Time     // of the last change
	changed chan struct{} // closed at the next change
}

// Crowd watches a kind until Stop is called.
func (b *Bed) Crowd(ctx context.Context, kind schema.GroupVersionKind, with map[string]string) (*Crowd, error) {
	m, resource, err := b.metadata(kind)
	if err != nil {
		return nil, err
	}
	c := &Crowd{here: map[client.ObjectKey]bool{}, changed: make(chan struct{})}
	ctx, c.stop = context.WithCancel(ctx)
	informer := metadatainformer.NewFilteredMetadataInformer(m, resource, metav1.NamespaceAll, 0, cache.Indexers{}, func(o *metav1.ListOptions) {
		o.LabelSelector = labels.SelectorFromSet(with).String()
	}).Informer()
	if err := informer.SetTransform(keyOnly); err != nil {
		c.stop()
		return nil, err
	}
	noted, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { c.note(o, true) },
		DeleteFunc: func(o any) { c.note(o, false) },
	})
	if err != nil {
		c.stop()
		return nil, err
	}
	c.listed = noted.HasSynced
	go informer.RunWithContext(ctx)
	return c, nil
}

// keyOnly strips what is watched of all but what Keys returns: of 60,000 works the rest is hundreds of megabytes beside what is measured.
func keyOnly(o any) (any, error) {
	who, err := meta.Accessor(o)
	if err != nil {
		return o, nil //nolint:nilerr // the end of a list, or what the informer makes up itself
	}
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: who.GetNamespace(), Name: who.GetName(), UID: who.GetUID(), ResourceVersion: who.GetResourceVersion(),
	}}, nil
}

// Stop watching.
func (c *Crowd) Stop() { c.stop() }

func (c *Crowd) note(o any, here bool) {
	if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	who, err := meta.Accessor(o)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := client.ObjectKey{Namespace: who.GetNamespace(), Name: who.GetName()}
	if here {
		c.here[key] = true
	} else {
		delete(c.here, key)
	}
	c.at = time.Now()
	close(c.changed)
	c.changed = make(chan struct{})
}

// Await waits until there are n, and tells since when.
func (c *Crowd) Await(ctx context.Context, n int) (time.Time, error) {
	ctx, cancel := Within(ctx, patience)
	defer cancel()
	if !cache.WaitForCacheSync(ctx.Done(), c.listed) { // until then there seem to be none
		return time.Time{}, fmt.Errorf("who is there cannot be listed: %w", context.Cause(ctx))
	}
	for {
		c.mu.Lock()
		now, at, changed := len(c.here), c.at, c.changed
		c.mu.Unlock()
		if now == n {
			return at, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%d of %d are there: %w", now, n, context.Cause(ctx))
		}
	}
}

// Size is how many are there.
func (c *Crowd) Size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.here)
}

// Keys of those that are there, in order.
func (c *Crowd) Keys() []client.ObjectKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := make([]client.ObjectKey, 0, len(c.here))
	for key := range c.here {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b client.ObjectKey) int {
		if a.Namespace != b.Namespace {
			return strings.Compare(a.Namespace, b.Namespace)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return keys
}

// Resource is the plural of a kind, as in a URL.
func (b *Bed) Resource(kind schema.GroupVersionKind) (string, error) {
	r, err := b.resource(kind)
	return r.Resource, err
}

func (b *Bed) resource(kind schema.GroupVersionKind) (schema.GroupVersionResource, error) {
	m, err := b.Client.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return schema.GroupVersionResource{}, err
	}
	return m.Resource, nil
}

// metadata is a client that asks for metadata alone, and a kind's name in it.
func (b *Bed) metadata(kind schema.GroupVersionKind) (metadata.Interface, schema.GroupVersionResource, error) {
	resource, err := b.resource(kind)
	if err != nil {
		return nil, resource, err
	}
	m, err := metadata.NewForConfig(b.Config)
	return m, resource, err
}
