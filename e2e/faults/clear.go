// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/install"
)

// namespaces that a story lives in, by API server.
var namespaces = map[API][]string{
	OnHub:   append([]string{apps, install.HubNamespace, near}, far...),
	OnSpoke: {opsv1alpha1.DefaultAgentNamespace, apps, "velero"},
}

// mayBeLeft tells whether an object is of a story.
func mayBeLeft(api API, o *unstructured.Unstructured) bool {
	if slices.Contains(profileKinds, o.GetKind()) && o.GetLabels()[appsv1alpha1.LabelManagedBy] == "" {
		return false
	}
	if o.GetKind() == "OperationTemplate" {
		return strings.HasPrefix(o.GetName(), told)
	}
	return o.GetNamespace() == "" || slices.Contains(namespaces[api], o.GetNamespace())
}

// clear takes away whatever a story has left, also what a broken one holds by finalizers. Nothing runs meanwhile.
func (l *Lab) clear(ctx context.Context) error {
	if err := l.restock(ctx); err != nil {
		return fmt.Errorf("take the templates of a story away: %w", err)
	}
	if err := l.Hub.DeleteAllOf(ctx, &opsv1alpha1.ControlPlane{}); err != nil {
		return fmt.Errorf("take the ControlPlanes of a story away: %w", err)
	}
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		var left atomic.Int64
		group, ctx := errgroup.WithContext(ctx)
		for api, all := range kinds {
			for _, gvk := range all {
				if gvk.Kind == "OperationTemplate" {
					continue // restocked
				}
				group.Go(func() error {
					n, err := l.clearKind(ctx, api, gvk)
					left.Add(n)
					return err
				})
			}
		}
		err := group.Wait()
		return left.Load() == 0, err
	})
}

// clearKind deletes what is left of a kind, takes the finalizers off it, and tells how much there was.
func (l *Lab) clearKind(ctx context.Context, api API, gvk schema.GroupVersionKind) (left int64, err error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	if err := l.client(api).List(ctx, list); err != nil {
		return 0, fmt.Errorf("list every %s on the %s: %w", gvk.Kind, api, err)
	}
	doomed := map[string]bool{} // the namespaces that have something to delete
	for i := range list.Items {
		o := &list.Items[i]
		if !mayBeLeft(api, o) {
			continue
		}
		left++
		if o.GetDeletionTimestamp() == nil {
			doomed[o.GetNamespace()] = true
		}
		if len(o.GetFinalizers()) > 0 {
			o.SetFinalizers(nil)
			if e := l.client(api).Update(ctx, o); e != nil && !passing(e) {
				err = errors.Join(err, e)
			}
		}
	}
	for ns := range doomed {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(gvk)
		options := []client.DeleteAllOfOption{client.InNamespace(ns), client.GracePeriodSeconds(0)}
		if slices.Contains(profileKinds, gvk.Kind) {
			options = append(options, client.HasLabels{appsv1alpha1.LabelManagedBy})
		}
		if e := l.client(api).DeleteAllOf(ctx, o, options...); e != nil {
			err = errors.Join(err, fmt.Errorf("delete every %s of %q on the %s: %w", gvk.Kind, ns, api, e))
		}
	}
	return left, err
}
