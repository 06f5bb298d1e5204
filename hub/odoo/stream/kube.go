// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/placement"
)

// Names of sinks begin with the kind of the object that stands for them.
const (
	// ControlPlanePrefix begins the name of the sink of a ControlPlane.
	ControlPlanePrefix = "controlplane/"
	// AuditSinkPrefix begins the name of the sink of an AuditSink.
	AuditSinkPrefix = "auditsink/"
)

// kube is the store in the API server. Operations and ApplicationInstances are read from the cache: every change of them comes as news. ConfigMaps never are.
type kube struct {
	client.Client
	live client.Reader
	// namespace of the hub, where letters are.
	namespace string
}

func (s *kube) expected(ctx context.Context) ([]string, error) {
	planes, sinks := &opsv1alpha1.ControlPlaneList{}, &opsv1alpha1.AuditSinkList{}
	if err := s.List(ctx, planes); err != nil {
		return nil, fmt.Errorf("list ControlPlanes: %w", err)
	}
	if err := s.List(ctx, sinks); err != nil {
		return nil, fmt.Errorf("list AuditSinks: %w", err)
	}
	var names []string
	for i := range planes.Items {
		if planes.Items[i].DeletionTimestamp.IsZero() {
			names = append(names, ControlPlanePrefix+planes.Items[i].Name)
		}
	}
	for i := range sinks.Items {
		if sinks.Items[i].DeletionTimestamp.IsZero() {
			names = append(names, AuditSinkPrefix+sinks.Items[i].Name)
		}
	}
	return names, nil
}

func (s *kube) operation(ctx context.Context, k key) (*opsv1alpha1.Operation, error) {
	op := &opsv1alpha1.Operation{}
	if err := s.Get(ctx, k.NamespacedName, op); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if !hub.RunsOnHub(op) {
		return nil, nil
	}
	return op, nil
}

func (s *kube) instance(ctx context.Context, k key) (*appsv1alpha1.ApplicationInstance, error) {
	ai := &appsv1alpha1.ApplicationInstance{}
	if err := s.Get(ctx, k.NamespacedName, ai); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if clusterOf(ai) == "" {
		return nil, nil // it is delivered to nobody
	}
	return ai, nil
}

func (s *kube) all(ctx context.Context) ([]key, error) {
	operations, instances := &opsv1alpha1.OperationList{}, &appsv1alpha1.ApplicationInstanceList{}
	if err := s.List(ctx, operations, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list Operations: %w", err)
	}
	if err := s.List(ctx, instances, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list ApplicationInstances: %w", err)
	}
	keys := make([]key, 0, len(operations.Items)+len(instances.Items))
	for i := range operations.Items {
		if hub.RunsOnHub(&operations.Items[i]) {
			keys = append(keys, operationKey(&operations.Items[i]))
		}
	}
	for i := range instances.Items {
		if clusterOf(&instances.Items[i]) != "" {
			keys = append(keys, instanceKey(&instances.Items[i]))
		}
	}
	return keys, nil
}

func (s *kube) results(ctx context.Context, op *opsv1alpha1.Operation, chunk int) ([]placement.ClusterResult, int, error) {
	return hub.ReadResults(ctx, s.live, op, chunk)
}

func (s *kube) hold(ctx context.Context, op *opsv1alpha1.Operation) error {
	changed := op.DeepCopy()
	controllerutil.AddFinalizer(changed, opsv1alpha1.ReportFinalizer)
	return s.change(ctx, op, changed)
}

func (s *kube) settle(ctx context.Context, op *opsv1alpha1.Operation, to []string) error {
	changed := op.DeepCopy()
	controllerutil.RemoveFinalizer(changed, opsv1alpha1.ReportFinalizer)
	if len(to) > 0 {
		if changed.Annotations == nil {
			changed.Annotations = map[string]string{}
		}
		changed.Annotations[opsv1alpha1.AnnotationReported] = strings.Join(to, ",")
	}
	return s.change(ctx, op, changed)
}

func (s *kube) change(ctx context.Context, from, to *opsv1alpha1.Operation) error {
	err := s.Patch(ctx, to, client.MergeFromWithOptions(from, client.MergeFromWithOptimisticLock{}))
	return client.IgnoreNotFound(err)
}
