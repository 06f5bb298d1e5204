// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	mchandler "sigs.k8s.io/multicluster-runtime/pkg/handler"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

const (
	// claimInstalled is the value of an engine's claim. An engine that is not installed has none.
	claimInstalled = "installed"
	// claimsOwner is the ClusterRole that the agent has its rights from. Claims go with it: an agent that is gone must not be selected by.
	// When it is made anew, the claims are, too, within defaultClaimsInterval.
	claimsOwner = "vworkspace-agent"

	// defaultClaimsDelay gathers a burst of changes into one visit.
	defaultClaimsDelay = time.Second
	// defaultClaimsInterval is how often claims are put right that somebody else changed.
	defaultClaimsInterval = 10 * time.Minute
)

// claimsRequest is the one thing to reconcile per cluster.
var claimsRequest = client.ObjectKey{Name: "claims"}

// claimsReconciler says what runs on the cluster by ClusterClaims, so that a Placement on the hub can select by it. Only claims with our label are
// touched. On a spoke without a hub there is no such kind, and nothing is done.
type claimsReconciler struct {
	sites    *sites
	registry *engines.Registry
	interval time.Duration
}

// Reconcile makes the claims what they should be.
func (r *claimsReconciler) Reconcile(ctx context.Context, req mcreconcile.Request) (ctrl.Result, error) {
	s, err := r.sites.get(req.ClusterName)
	if err != nil {
		return ctrl.Result{}, err
	}
	served, err := s.kinds.served(ctx, &clusterv1alpha1.ClusterClaim{})
	if err != nil || !served {
		return ctrl.Result{}, err
	}
	want, err := r.wanted(ctx, s)
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := s.publish(ctx, want); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: r.interval}, nil
}

// wanted reads what runs here.
func (r *claimsReconciler) wanted(ctx context.Context, s *site) (map[string]string, error) {
	var instances appsv1alpha1.ApplicationInstanceList
	if err := s.List(ctx, &instances); err != nil {
		return nil, fmt.Errorf("list ApplicationInstances: %w", err)
	}
	open := map[string]bool{}
	counted := instances.Items[:0]
	for i := range instances.Items {
		ns := instances.Items[i].Namespace
		if _, known := open[ns]; !known {
			gated, err := s.gated(ctx, ns)
			if err != nil {
				return nil, err
			}
			open[ns] = gated
		}
		if open[ns] {
			counted = append(counted, instances.Items[i])
		}
	}
	claims := appClaims(counted)
	for _, name := range r.registry.Names() {
		engine, err := r.registry.Get(name)
		if err != nil {
			return nil, err
		}
		absent, err := s.absentKind(ctx, engine, &opsv1alpha1.Operation{})
		if err != nil {
			return nil, err
		}
		if absent == "" {
			claims[opsv1alpha1.EngineClaim(name)] = claimInstalled
		}
	}
	return claims, nil
}

// appClaims counts instances per catalog entry.
func appClaims(instances []appsv1alpha1.ApplicationInstance) map[string]string {
	counts := map[string]int{}
	for i := range instances {
		counts[opsv1alpha1.AppClaim(instances[i].Spec.AppRef.CatalogID)]++
	}
	claims := make(map[string]string, len(counts))
	for name, n := range counts {
		claims[name] = strconv.Itoa(n)
	}
	return claims
}

// publish writes the difference.
func (s *site) publish(ctx context.Context, want map[string]string) error {
	var list clusterv1alpha1.ClusterClaimList
	ours := client.MatchingLabels{appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane}
	if err := s.live.List(ctx, &list, ours); err != nil {
		return fmt.Errorf("list ClusterClaims: %w", err)
	}
	owners, err := s.claimsOwners(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for i := range list.Items {
		claim := &list.Items[i]
		value, wanted := want[claim.Name]
		delete(want, claim.Name)
		switch {
		case !wanted:
			errs = append(errs, client.IgnoreNotFound(s.Delete(ctx, claim)))
		case settle(claim, value, owners):
			errs = append(errs, s.Update(ctx, claim))
		}
	}
	for name, value := range want {
		err := s.Create(ctx, &clusterv1alpha1.ClusterClaim{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string(ours), OwnerReferences: owners},
			Spec:       clusterv1alpha1.ClusterClaimSpec{Value: value},
		})
		if apierrors.IsAlreadyExists(err) {
			continue // somebody else's, without our label: it is theirs
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("publish ClusterClaims: %w", err)
	}
	return nil
}

// settle makes a claim say a value and belong to owners, and tells whether it did not. Where none is known, it stays whose it is.
func settle(claim *clusterv1alpha1.ClusterClaim, value string, owners []metav1.OwnerReference) bool {
	before := claim.DeepCopy()
	if claim.Spec.Value = value; len(owners) > 0 {
		claim.OwnerReferences = owners
	}
	return !equality.Semantic.DeepEqual(before, claim)
}

// claimsOwners are whom claims go with: none where the agent has its rights from elsewhere.
func (s *site) claimsOwners(ctx context.Context) ([]metav1.OwnerReference, error) {
	role := &metav1.PartialObjectMetadata{}
	role.SetGroupVersionKind(rbacv1.SchemeGroupVersion.WithKind("ClusterRole"))
	switch err := s.live.Get(ctx, client.ObjectKey{Name: claimsOwner}, role); {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read ClusterRole %s: %w", claimsOwner, err)
	}
	return []metav1.OwnerReference{{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: role.Name, UID: role.UID}}, nil
}

// claimsHandler asks for the claims when the number of instances, what they are, or where they may be has changed.
func claimsHandler(delay time.Duration) mchandler.TypedEventHandlerFunc[client.Object, mcreconcile.Request] {
	type queue = workqueue.TypedRateLimitingInterface[mcreconcile.Request]
	return func(name multicluster.ClusterName, _ cluster.Cluster) handler.TypedEventHandler[client.Object, mcreconcile.Request] {
		request := mcreconcile.Request{ClusterName: name}
		request.NamespacedName = claimsRequest
		return handler.TypedFuncs[client.Object, mcreconcile.Request]{
			CreateFunc: func(_ context.Context, _ event.TypedCreateEvent[client.Object], q queue) { q.AddAfter(request, delay) },
			DeleteFunc: func(_ context.Context, _ event.TypedDeleteEvent[client.Object], q queue) { q.AddAfter(request, delay) },
			UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[client.Object], q queue) {
				if claimedAs(e.ObjectOld) != claimedAs(e.ObjectNew) {
					q.AddAfter(request, delay)
				}
			},
		}
	}
}

// claimedAs is what of an object shows in claims.
func claimedAs(obj client.Object) string {
	if ai, ok := obj.(*appsv1alpha1.ApplicationInstance); ok {
		return ai.Spec.AppRef.CatalogID
	}
	return obj.GetLabels()[appsv1alpha1.LabelNamespaceGate]
}
