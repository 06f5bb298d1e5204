// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// faultList lets tests make the agent's writes fail, by the namespace they are for.
type faultList struct {
	mu     sync.Mutex
	faults map[string]func(verb string, obj client.Object) error
}

// inject makes f decide about the agent's writes in a namespace, after they were made for verbs that begin with "after ".
func (l *faultList) inject(t *testing.T, namespace string, f func(verb string, obj client.Object) error) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults == nil {
		l.faults = map[string]func(string, client.Object) error{}
	}
	l.faults[namespace] = f
}

func (l *faultList) heal(namespace string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.faults, namespace)
}

func (l *faultList) ask(verb string, obj client.Object) error {
	l.mu.Lock() // while f runs too: the agent has several workers, and a test's f may keep count
	defer l.mu.Unlock()
	f := l.faults[obj.GetNamespace()]
	if f == nil {
		return nil
	}
	return f(verb, obj)
}

func (l *faultList) funcs() interceptor.Funcs {
	around := func(verb string, obj client.Object, do func() error) error {
		if err := l.ask(verb, obj); err != nil {
			return err
		}
		if err := do(); err != nil {
			return err
		}
		return l.ask("after "+verb, obj)
	}
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			return around("create", obj, func() error { return c.Create(ctx, obj, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			return around("delete", obj, func() error { return c.Delete(ctx, obj, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, p client.Patch, opts ...client.PatchOption) error {
			return around("patch", obj, func() error { return c.Patch(ctx, obj, p, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, config runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			obj := &metav1.PartialObjectMetadata{}
			if named, ok := config.(interface {
				GetNamespace() string
				GetName() string
			}); ok {
				obj.Namespace, obj.Name = named.GetNamespace(), named.GetName()
			}
			return around("apply", obj, func() error { return c.Apply(ctx, config, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, obj client.Object, opts ...client.SubResourceUpdateOption) error {
			return around(sub, obj, func() error { return c.SubResource(sub).Update(ctx, obj, opts...) })
		},
	}
}
