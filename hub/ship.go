// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"
)

// shipper writes the ManifestWorks by which clusters get what is the hub's own, each with a shipment in its annotation.
type shipper struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// writes, if there is one, bounds how many there are in a second.
	writes flowcontrol.RateLimiter
}

// barren tells whether nothing is brought to a cluster: it is gone, or going, and what goes with it goes with its namespace; or it is the hub.
func barren(cluster *clusterv1.ManagedCluster) bool {
	return cluster == nil || !cluster.DeletionTimestamp.IsZero() || cluster.Labels[labelItself] == "true"
}

// turn waits until one may write.
func (s shipper) turn(ctx context.Context) error {
	if s.writes == nil {
		return nil
	}
	return s.writes.Wait(ctx)
}

// remove a ManifestWork as it was read: something may have been put into it since.
func (s shipper) remove(ctx context.Context, work *workv1.ManifestWork) error {
	if err := s.turn(ctx); err != nil {
		return err
	}
	err := s.Delete(ctx, work, client.Preconditions{UID: &work.UID, ResourceVersion: &work.ResourceVersion})
	return wrapped(client.IgnoreNotFound(err), "delete", work)
}

// ship makes a ManifestWork, or makes it what it should be. It is nil where the cache knows of none.
func (s shipper) ship(ctx context.Context, work, desired *workv1.ManifestWork) error {
	if work == nil {
		if err := s.turn(ctx); err != nil {
			return err
		}
		err := s.Create(ctx, desired)
		if !apierrors.IsAlreadyExists(err) {
			return wrapped(err, "create", desired)
		}
		// The cache is behind, or somebody took our labels off.
		if work, err = find(ctx, s.Live, client.ObjectKeyFromObject(desired), &workv1.ManifestWork{}); err != nil || work == nil {
			return err
		}
	}
	if !work.DeletionTimestamp.IsZero() || asSent(work, desired) {
		return nil
	}
	return wrapped(s.send(ctx, work, desired), "write", work)
}

func wrapped(err error, verb string, work *workv1.ManifestWork) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s ManifestWork %s/%s: %w", verb, work.Namespace, work.Name, err)
}

// asSent tells whether a ManifestWork is what it should be.
func asSent(work, desired *workv1.ManifestWork) bool {
	is, reliable := shipmentOf(work)
	want, _ := shipmentOf(desired)
	for key, value := range desired.Labels {
		if work.Labels[key] != value {
			return false
		}
	}
	return reliable && is.Digest == want.Digest && slices.Equal(is.Templates, want.Templates)
}

// send makes a ManifestWork what it should be, if it still is as it was read.
func (s shipper) send(ctx context.Context, work, desired *workv1.ManifestWork) error {
	if err := s.turn(ctx); err != nil {
		return err
	}
	sent, _ := shipmentOf(desired)
	sent.Generation = work.Generation + 1
	now, err := s.patch(ctx, work, map[string]any{
		"metadata": map[string]any{
			"resourceVersion": work.ResourceVersion, "labels": desired.Labels, "annotations": map[string]string{annotationCatalog: sent.String()},
		},
		"spec": map[string]any{
			"workload": desired.Spec.Workload, "manifestConfigs": desired.Spec.ManifestConfigs, "executor": desired.Spec.Executor, "deleteOption": nil,
		},
	})
	if err != nil || now.Generation == sent.Generation {
		return err
	}
	// The spec was right already, so that it has the generation that it had.
	sent.Generation = now.Generation
	_, err = s.patch(ctx, work, map[string]any{
		"metadata": map[string]any{"resourceVersion": now.ResourceVersion, "annotations": map[string]string{annotationCatalog: sent.String()}},
	})
	return err
}

func (s shipper) patch(ctx context.Context, work *workv1.ManifestWork, change map[string]any) (*workv1.ManifestWork, error) {
	data, err := json.Marshal(change)
	if err != nil {
		return nil, fmt.Errorf("encode the change: %w", err)
	}
	target := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: work.Namespace, Name: work.Name}}
	return target, s.Patch(ctx, target, client.RawPatch(types.MergePatchType, data))
}
