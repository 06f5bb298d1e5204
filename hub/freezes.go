// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/telemetry"
)

const (
	// freezeWork is the name of the ManifestWork that brings the hub's Freezes to a cluster. There is none while there are no Freezes.
	freezeWork = "vworkspace-freezes"
	// freezePrefix begins the names that the hub's Freezes have on clusters, so that they never meet a cluster's own.
	freezePrefix = "hub."
)

// FreezeReconciler brings the hub's Freezes to every cluster that an agent runs on, so that what was sent there before and waits is held, too, and takes them
// away from there when they go. It gathers nothing and waits for nobody: whoever freezes a fleet is in a hurry. A request is a ManagedCluster.
type FreezeReconciler struct {
	shipper
	// Events tells people about Freezes that cannot be brought to clusters; nil does not.
	Events events.EventRecorder
	Options
}

// setupFreezes is independent of DeliverCatalog: clusters that have catalogs of their own are frozen as any others.
func setupFreezes(mgr ctrl.Manager, options Options) error {
	r := &FreezeReconciler{shipper: shipper{Client: mgr.GetClient(), Live: mgr.GetAPIReader()}, Events: mgr.GetEventRecorder("vworkspace-hub"), Options: options}
	ofFreezes := func(name string) bool { return name == freezeWork }
	return ctrl.NewControllerManagedBy(mgr).
		Named("freeze").
		WithOptions(controllerOptions(mgr, "freeze", telemetry.KeyCluster)).
		For(&clusterv1.ManagedCluster{}, builder.WithPredicates(newsOfAgent())).
		Watches(&workv1.ManifestWork{}, itsCluster(), builder.WithPredicates(named(ofFreezes), newsOfShipment())).
		Watches(&opsv1alpha1.Freeze{}, everyCluster(r, 0), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
}

// Reconcile implements reconcile.Reconciler.
func (r *FreezeReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	cluster, err := find(ctx, r.Client, req.NamespacedName, &clusterv1.ManagedCluster{})
	if err != nil || barren(cluster) {
		return ctrl.Result{}, err
	}
	work, err := find(ctx, r.Client, client.ObjectKey{Namespace: cluster.Name, Name: freezeWork}, &workv1.ManifestWork{})
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("read the ManifestWork of the Freezes: %w", err)
	}
	if work == nil && len(cluster.Status.ClusterClaims) == 0 {
		return ctrl.Result{}, nil // no agent has ever been there
	}
	list := &opsv1alpha1.FreezeList{}
	if err := r.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, fmt.Errorf("read the Freezes: %w", err)
	}
	err = r.bring(ctx, cluster.Name, work, list.Items)
	if onlyConflict(err) {
		return ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
	}
	return ctrl.Result{}, err
}

// bring Freezes to a cluster by its ManifestWork, which is nil when there is none.
func (r *FreezeReconciler) bring(ctx context.Context, cluster string, work *workv1.ManifestWork, freezes []opsv1alpha1.Freeze) error {
	names, manifests, err := r.pack(freezes)
	switch {
	case err != nil:
		return err
	case len(names) > 0:
		desired, err := shippingWork(cluster, r.AgentNamespace, freezeWork, "freezes", names, manifests)
		if err != nil {
			return err
		}
		return r.ship(ctx, work, desired)
	case work == nil || !work.DeletionTimestamp.IsZero():
		return nil
	}
	return r.remove(ctx, work)
}

// pack Freezes: the names that they have on clusters, sorted, and their manifests by that name. What is too much for one ManifestWork is left out.
func (r *FreezeReconciler) pack(freezes []opsv1alpha1.Freeze) (names []string, manifests map[string][]byte, err error) {
	slices.SortFunc(freezes, func(a, b opsv1alpha1.Freeze) int { return cmp.Compare(a.Name, b.Name) })
	manifests = map[string][]byte{}
	size := 0
	for i := range freezes {
		f := &freezes[i]
		name, raw, err := freezeManifest(f)
		if err != nil {
			return nil, nil, err
		}
		if size += len(raw); size > chunkSize {
			if r.Events != nil {
				r.Events.Eventf(f.DeepCopy(), nil, corev1.EventTypeWarning, "TooMany", "Deliver",
					"it holds on the hub, and is not brought to clusters: all Freezes together may take %d KiB; delete those that have ended", chunkSize>>10)
			}
			break
		}
		names, manifests[name] = append(names, name), raw
	}
	slices.Sort(names)
	return names, manifests, nil
}

// freezeManifest is what of a Freeze goes to the clusters, and its name there.
func freezeManifest(f *opsv1alpha1.Freeze) (name string, raw []byte, err error) {
	if name = freezePrefix + f.Name; len(name) > 253 {
		name = freezePrefix + opsv1alpha1.RunName(f.Name, f.UID)
	}
	raw, err = json.Marshal(manifest{
		TypeMeta: metav1.TypeMeta{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Freeze"},
		Metadata: manifestMeta{Name: name, Labels: map[string]string{appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane}},
		Spec:     f.Spec,
	})
	if err != nil {
		return "", nil, fmt.Errorf("encode Freeze %s: %w", f.Name, err)
	}
	return name, raw, nil
}
