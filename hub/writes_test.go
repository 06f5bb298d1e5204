// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"sync/atomic"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// writes that a hub made.
type writes struct {
	statuses atomic.Int32 // of Operations and ApplicationInstances
	others   atomic.Int32
}

func (w *writes) total() int32 { return w.statuses.Load() + w.others.Load() }

// countWrites of every hub of the fleet that is started after this.
func (f *fleet) countWrites() *writes {
	w := &writes{}
	f.funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		w.others.Add(1)
		return c.Create(ctx, o, opts...)
	}
	f.funcs.Update = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
		w.others.Add(1)
		return c.Update(ctx, o, opts...)
	}
	f.funcs.Patch = func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
		w.others.Add(1)
		return c.Patch(ctx, o, p, opts...)
	}
	f.funcs.Delete = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
		w.others.Add(1)
		return c.Delete(ctx, o, opts...)
	}
	f.funcs.SubResourcePatch = func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
		w.statuses.Add(1)
		return c.SubResource(sub).Patch(ctx, o, p, opts...)
	}
	return w
}
