// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
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

// late lets something happen right before the agent's n-th apply in a namespace arrives. What it returns tells whether that was applied all the same.
func (l *faultList) late(t *testing.T, namespace string, n int, meanwhile func() error) (arrived func() bool) {
	t.Helper()
	applies, applied := 0, false
	l.inject(t, namespace, func(verb string, _ client.Object) error {
		switch verb {
		case "apply":
			if applies++; applies == n {
				return meanwhile()
			}
		case "after apply":
			applied = applied || applies == n
		}
		return nil
	})
	t.Cleanup(func() { l.heal(namespace) })
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if applies < n {
			t.Errorf("the agent applied %d times, and not %d", applies, n)
		}
		return applied
	}
}

// touch changes an object in a way that means nothing.
func touch(t *testing.T, obj client.Object) error {
	t.Helper()
	return k8s.Patch(t.Context(), reload(t, obj), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"touched":"yes"}}}`)))
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
