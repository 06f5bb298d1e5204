// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
)

// sweepApprovals is how often records of used claims are looked through.
const sweepApprovals = 10 * time.Minute

// sweeper forgets claims that were used when they have expired. They cannot go with their Operations: those may be deleted, and created again, while
// the claim is still good.
type sweeper struct {
	client.Client
	live      client.Reader
	namespace string
	clock     clock.Clock
}

// setupSweeper adds it to a manager. Only the hub that leads sweeps.
func setupSweeper(mgr ctrl.Manager, o Options) error {
	s := &sweeper{Client: mgr.GetClient(), live: mgr.GetAPIReader(), namespace: o.Namespace, clock: o.Clock}
	log := mgr.GetLogger().WithName("approvals")
	return mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		for {
			if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
				log.Error(err, "records of used approvals cannot be swept away")
			}
			select {
			case <-ctx.Done():
				return nil
			case <-s.clock.After(sweepApprovals):
			}
		}
	}))
}

// sweep deletes the records of claims that are worth nothing any more.
func (s *sweeper) sweep(ctx context.Context) error {
	var errs []error
	for next := ""; ; {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
		err := s.live.List(ctx, list, client.InNamespace(s.namespace), client.MatchingLabels{opsv1alpha1.LabelPart: opsv1alpha1.PartApproval},
			client.Limit(listPage), client.Continue(next))
		if err != nil {
			return fmt.Errorf("list the records in namespace %s: %w", s.namespace, err)
		}
		for i := range list.Items {
			if record := &list.Items[i]; approvals.Forgettable(record, s.clock.Now()) {
				gone := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: record.Namespace, Name: record.Name}}
				errs = append(errs, client.IgnoreNotFound(s.Delete(ctx, gone, client.Preconditions{UID: &record.UID})))
			}
		}
		if next = list.Continue; next == "" {
			return errors.Join(errs...)
		}
	}
}
