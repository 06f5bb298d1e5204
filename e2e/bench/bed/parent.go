// SPDX-License-Identifier: Apache-2.0

package bed

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Look is what a parent said at a time.
type Look struct {
	At        time.Time
	Completed int
	Bytes     int
}

// Parent is one object that a watch tells of.
type Parent struct {
	stop context.CancelFunc

	mu      sync.Mutex
	looks   []Look
	changed chan struct{}
}

// Parent watches one object, and asks at every change how many clusters it says are done, until Stop is called.
func (b *Bed) Parent(ctx context.Context, kind schema.GroupVersionKind, key client.ObjectKey, completed func(*unstructured.Unstructured) int) (*Parent, error) {
	resource, err := b.resource(kind)
	if err != nil {
		return nil, err
	}
	d, err := dynamic.NewForConfig(b.Config)
	if err != nil {
		return nil, err
	}
	p := &Parent{changed: make(chan struct{})}
	ctx, p.stop = context.WithCancel(ctx)
	informer := dynamicinformer.NewFilteredDynamicInformer(d, resource, key.Namespace, 0, cache.Indexers{}, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, key.Name).String()
	}).Informer()
	note := func(o any) {
		if u, ok := o.(*unstructured.Unstructured); ok {
			p.note(u, completed)
		}
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: note, UpdateFunc: func(_, o any) { note(o) }})
	if err != nil {
		p.stop()
		return nil, err
	}
	go informer.RunWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return nil, fmt.Errorf("%s %s is not watched: %w", kind.Kind, key, context.Cause(ctx))
	}
	return p, nil
}

// Stop watching.
func (p *Parent) Stop() { p.stop() }

func (p *Parent) note(u *unstructured.Unstructured, completed func(*unstructured.Unstructured) int) {
	at := time.Now()
	raw, err := u.MarshalJSON()
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looks = append(p.looks, Look{At: at, Completed: completed(u), Bytes: len(raw)})
	close(p.changed)
	p.changed = make(chan struct{})
}

// Await waits until the parent says that n are done, and returns all that was seen since the first look.
func (p *Parent) Await(ctx context.Context, n int) ([]Look, error) {
	ctx, cancel := Within(ctx, patience)
	defer cancel()
	for {
		p.mu.Lock()
		looks, changed := p.looks, p.changed
		p.mu.Unlock()
		said := 0
		if len(looks) > 0 {
			said = looks[len(looks)-1].Completed
		}
		if said >= n {
			return looks, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("the parent says %d of %d: %w", said, n, context.Cause(ctx))
		}
	}
}
