// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// operationStream brings the Operation itself. It is the one of its UID: another one of the same name is another run.
func (f *Follower) operationStream(ctx context.Context, first *opsv1alpha1.Operation) *stream {
	known := first // what Start has read need not be read again
	return &stream{
		list: func(ctx context.Context) (string, error) {
			if known != nil {
				version := known.ResourceVersion
				known = nil
				return version, nil
			}
			op := &opsv1alpha1.Operation{}
			err := f.client.Get(ctx, f.key, op)
			switch {
			case apierrors.IsNotFound(err), err == nil && op.UID != first.UID:
				f.deleted()
				<-ctx.Done()
				return "", ctx.Err()
			case err != nil:
				return "", fmt.Errorf("read Operation %s: %w", f.key, err)
			}
			f.take(ctx, op)
			return op.ResourceVersion, nil
		},
		watch: func(ctx context.Context, version string) (watch.Interface, error) {
			return f.client.Watch(ctx, &opsv1alpha1.OperationList{}, client.InNamespace(f.key.Namespace), &client.ListOptions{
				FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, f.key.Name),
				Raw:           &metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true},
			})
		},
		event: func(e watch.Event) {
			op, is := e.Object.(*opsv1alpha1.Operation)
			switch {
			case !is || op.UID != first.UID:
			case e.Type == watch.Deleted:
				f.deleted()
			default:
				f.take(ctx, op)
			}
		},
	}
}

// take up an Operation as it is now.
func (f *Follower) take(ctx context.Context, op *opsv1alpha1.Operation) {
	f.mu.Lock()
	planned := onHub(op) && !onHub(f.op)
	f.op = op
	f.mu.Unlock()
	if planned {
		f.findOut(ctx, op)
	}
	f.note()
	f.ask()
}

func (f *Follower) deleted() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	f.note()
}

// Suspend the Operation, or let it go on.
func (f *Follower) Suspend(ctx context.Context, suspend bool) error {
	return f.patch(ctx, fmt.Sprintf(`{"spec":{"suspend":%t}}`, suspend))
}

// Cancel the Operation.
func (f *Follower) Cancel(ctx context.Context) error { return f.patch(ctx, `{"spec":{"cancel":true}}`) }

func (f *Follower) patch(ctx context.Context, patch string) error {
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: f.key.Namespace, Name: f.key.Name}}
	return f.client.Patch(ctx, op, client.RawPatch("application/merge-patch+json", []byte(patch)))
}
