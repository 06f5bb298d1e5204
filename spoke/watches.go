// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	mchandler "sigs.k8s.io/multicluster-runtime/pkg/handler"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// enqueue makes a watch handler of a function that says whom an object concerns.
func enqueue(f func(context.Context, client.Client, client.Object) []client.ObjectKey) mchandler.TypedEventHandlerFunc[client.Object, mcreconcile.Request] {
	return func(name multicluster.ClusterName, cl cluster.Cluster) handler.TypedEventHandler[client.Object, mcreconcile.Request] {
		return mchandler.ForCluster(handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, obj client.Object) []reconcile.Request {
			keys := f(ctx, cl.GetClient(), obj)
			requests := make([]reconcile.Request, 0, len(keys))
			for _, key := range keys {
				requests = append(requests, reconcile.Request{NamespacedName: key})
			}
			return requests
		}), name)
	}
}

// operationsOfOperation: what one Operation's change means to others. Its parent counts it, and it may be another child's turn; when it ends, those
// that waited for it on the same target may start, and its children may be let go.
func operationsOfOperation(ctx context.Context, c client.Client, obj client.Object) []client.ObjectKey {
	op, ok := obj.(*opsv1alpha1.Operation)
	if !ok {
		return nil
	}
	var keys []client.ObjectKey
	if uid := op.Labels[opsv1alpha1.LabelParent]; uid != "" {
		keys = append(keys, operationsBy(ctx, c, client.MatchingFields{indexUID: uid})...)
		keys = append(keys, nextInTurn(ctx, c, op)...)
	}
	if !op.Status.Phase.Terminal() && op.DeletionTimestamp.IsZero() {
		return keys
	}
	if op.Spec.TargetRef != nil {
		keys = append(keys, operationsBy(ctx, c, client.InNamespace(op.Namespace), client.MatchingFields{indexTarget: op.Spec.TargetRef.Name})...)
	} else {
		keys = append(keys, operationsBy(ctx, c, client.MatchingFields{indexParent: string(op.UID)})...)
	}
	return keys
}

// operationsOfInstance: those that act on the instance, and those that have yet to find out which instances match.
func operationsOfInstance(ctx context.Context, c client.Client, obj client.Object) []client.ObjectKey {
	keys := operationsBy(ctx, c, client.InNamespace(obj.GetNamespace()), client.MatchingFields{indexTarget: obj.GetName()})
	return append(keys, unexpanded(ctx, c)...)
}

// operationsOfNamespace: those in the namespace that have not started, and those that may select into it.
func operationsOfNamespace(ctx context.Context, c client.Client, obj client.Object) []client.ObjectKey {
	keys := operationsBy(ctx, c, client.InNamespace(obj.GetName()), client.MatchingFields{indexStage: stageUnstarted})
	return append(keys, unexpanded(ctx, c)...)
}

// operationsOfEngineObject: by the run's label, by what a run recorded, and for a HelmRelease by the instance it belongs to.
func operationsOfEngineObject(scheme *runtime.Scheme) func(context.Context, client.Client, client.Object) []client.ObjectKey {
	return func(ctx context.Context, c client.Client, obj client.Object) []client.ObjectKey {
		if uid := obj.GetLabels()[opsv1alpha1.LabelOperation]; uid != "" {
			return operationsBy(ctx, c, client.MatchingFields{indexUID: uid})
		}
		gvk, err := apiutil.GVKForObject(obj, scheme)
		if err != nil {
			return nil
		}
		keys := operationsBy(ctx, c, client.MatchingFields{indexResource: resourceKey(gvk.Kind, obj.GetNamespace(), obj.GetName())})
		if gvk.Kind != helmReleaseKind {
			return keys
		}
		for _, ai := range instancesOfRelease(ctx, c, obj) {
			keys = append(keys, operationsBy(ctx, c, client.InNamespace(ai.Namespace), client.MatchingFields{indexTarget: ai.Name})...)
		}
		return keys
	}
}

// operationsThatWait: a template, the AgentPolicy or a Freeze may be what any of those waits for that have not started.
func operationsThatWait(ctx context.Context, c client.Client, _ client.Object) []client.ObjectKey {
	return unstarted(ctx, c)
}

// unstarted: every Operation that waits, because something it may wait for came to be.
func unstarted(ctx context.Context, c client.Client) []client.ObjectKey {
	return operationsBy(ctx, c, client.MatchingFields{indexStage: stageUnstarted})
}

func unexpanded(ctx context.Context, c client.Client) []client.ObjectKey {
	var list opsv1alpha1.OperationList
	if err := c.List(ctx, &list, client.MatchingFields{indexStage: stageUnstarted}); err != nil {
		log.FromContext(ctx).Error(err, "cannot look up Operations in the cache")
		return nil
	}
	var keys []client.ObjectKey
	for i := range list.Items {
		if list.Items[i].Spec.Selector != nil {
			keys = append(keys, client.ObjectKeyFromObject(&list.Items[i]))
		}
	}
	return keys
}

// operationsBy looks up the cache; it fails only when an index is missing, which is a programming error.
func operationsBy(ctx context.Context, c client.Client, opts ...client.ListOption) []client.ObjectKey {
	var list opsv1alpha1.OperationList
	if err := c.List(ctx, &list, opts...); err != nil {
		log.FromContext(ctx).Error(err, "cannot look up Operations in the cache")
		return nil
	}
	keys := make([]client.ObjectKey, 0, len(list.Items))
	for i := range list.Items {
		keys = append(keys, client.ObjectKeyFromObject(&list.Items[i]))
	}
	return keys
}

func instancesOfRelease(ctx context.Context, c client.Client, release client.Object) []appsv1alpha1.ApplicationInstance {
	var list appsv1alpha1.ApplicationInstanceList
	if err := c.List(ctx, &list, client.InNamespace(release.GetNamespace()), client.MatchingFields{indexRelease: release.GetName()}); err != nil {
		log.FromContext(ctx).Error(err, "cannot look up ApplicationInstances in the cache")
		return nil
	}
	return list.Items
}

// instancesOfFluxObject: HelmRelease and source carry the release's name.
func instancesOfFluxObject(ctx context.Context, c client.Client, obj client.Object) []client.ObjectKey {
	switch obj.(type) {
	case *helmv2.HelmRelease, *sourcev1.HelmRepository, *sourcev1.OCIRepository:
	default:
		return nil
	}
	var keys []client.ObjectKey
	for _, ai := range instancesOfRelease(ctx, c, obj) {
		keys = append(keys, client.ObjectKeyFromObject(&ai))
	}
	return keys
}

func instanceKeys(ctx context.Context, c client.Client, opts ...client.ListOption) []client.ObjectKey {
	var list appsv1alpha1.ApplicationInstanceList
	if err := c.List(ctx, &list, opts...); err != nil {
		log.FromContext(ctx).Error(err, "cannot look up ApplicationInstances in the cache")
		return nil
	}
	keys := make([]client.ObjectKey, 0, len(list.Items))
	for i := range list.Items {
		keys = append(keys, client.ObjectKeyFromObject(&list.Items[i]))
	}
	return keys
}
