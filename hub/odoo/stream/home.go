// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

// homeOf an Operation on one instance is the cluster of that; empty for one on a fleet. When the instance is gone, the results still tell.
func homeOf(ctx context.Context, s store, v view) (string, error) {
	if v.Spec.Placement != nil || v.Spec.TargetRef == nil {
		return "", nil
	}
	ai, err := s.instance(ctx, key{kind: kindInstance, NamespacedName: types.NamespacedName{Namespace: v.Namespace, Name: v.Spec.TargetRef.Name}})
	if err != nil {
		return "", err
	}
	if ai != nil {
		if cluster := clusterOf(ai); cluster != "" {
			return cluster, nil
		}
	}
	if cluster := v.Labels[appsv1alpha1.LabelClusterID]; cluster != "" && ai == nil {
		return cluster, nil
	}
	if v.Status.Plan == nil || !v.Status.Phase.Terminal() {
		return "", nil
	}
	results, _, err := s.results(ctx, v.Operation, 0)
	if err != nil || len(results) == 0 {
		return "", err
	}
	return results[0].Cluster, nil
}
