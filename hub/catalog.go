// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// catalogWrites per second, over all clusters: a ManifestWork of the catalog is large, and a change of it is never urgent.
	catalogWrites = 50
	// lookAgain is how long at the most a template that moves between two ManifestWorks waits after it has arrived.
	lookAgain = time.Minute
	// labelItself is, by Open Cluster Management's convention, on the ManagedCluster that is the hub.
	labelItself = "local-cluster"
)

// CatalogReconciler brings the hub's OperationTemplates to every cluster that an agent runs on, and keeps them the same there. A request is a ManagedCluster.
type CatalogReconciler struct {
	shipper
	// Events tells people about templates that cannot be brought to clusters; nil does not.
	Events events.EventRecorder
	Options

	shelf shelf
}

// Reconcile implements reconcile.Reconciler.
func (r *CatalogReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	cluster, err := find(ctx, r.Client, req.NamespacedName, &clusterv1.ManagedCluster{})
	if err != nil || barren(cluster) {
		return ctrl.Result{}, err
	}
	d := delivering{CatalogReconciler: r, cluster: cluster.Name}
	if err := d.read(ctx); err != nil {
		return ctrl.Result{}, err
	}
	if len(d.works) == 0 && len(cluster.Status.ClusterClaims) == 0 {
		return ctrl.Result{}, nil // no agent has ever been there
	}
	for _, work := range d.works {
		if !work.DeletionTimestamp.IsZero() {
			return ctrl.Result{}, nil // somebody deleted it; when it is gone it is made again
		}
	}
	waits, err := d.write(ctx)
	switch {
	case onlyConflict(err):
		return ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
	case err != nil:
		return ctrl.Result{}, err
	case waits:
		return ctrl.Result{RequeueAfter: lookAgain}, nil
	}
	return ctrl.Result{}, nil
}

// delivering is one pass over one cluster.
type delivering struct {
	*CatalogReconciler
	cluster   string
	manifests map[string][]byte // of the templates, by name
	works     map[int]*workv1.ManifestWork
	held      map[int][]string // names of the templates in them
}

// read what is to be on the cluster, and what the ManifestWorks hold.
func (d *delivering) read(ctx context.Context) error {
	templates := &opsv1alpha1.OperationTemplateList{}
	if err := d.List(ctx, templates, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("read the catalog: %w", err)
	}
	manifests, tooLarge, err := d.shelf.manifests(templates.Items)
	if err != nil {
		return err
	}
	for _, t := range tooLarge {
		if d.Events != nil {
			d.Events.Eventf(t.DeepCopy(), nil, corev1.EventTypeWarning, "TooLarge", "Deliver",
				"it is larger than %d KiB and stays on the hub: clusters would refuse it", largestTemplate>>10)
		}
	}
	list := &workv1.ManifestWorkList{}
	if err := d.List(ctx, list, client.InNamespace(d.cluster), client.MatchingLabels(catalogLabels())); err != nil {
		return fmt.Errorf("list the ManifestWorks of the catalog: %w", err)
	}
	d.manifests, d.works, d.held = manifests, map[int]*workv1.ManifestWork{}, map[int][]string{}
	for i := range list.Items {
		if chunk, ours := catalogChunk(list.Items[i].Name); ours {
			if err := d.know(ctx, chunk, &list.Items[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// know a ManifestWork, and what is in it: by its annotation, or else by its manifests.
func (d *delivering) know(ctx context.Context, chunk int, work *workv1.ManifestWork) error {
	if sent, reliable := shipmentOf(work); reliable {
		d.works[chunk], d.held[chunk] = work, sent.Templates
		return nil
	}
	work, err := find(ctx, d.Live, client.ObjectKeyFromObject(work), &workv1.ManifestWork{})
	if err != nil || work == nil {
		return err
	}
	d.works[chunk], d.held[chunk] = work, namesIn(work)
	return nil
}

// namesIn a ManifestWork that was read past the cache.
func namesIn(work *workv1.ManifestWork) []string {
	var names []string
	for _, m := range work.Spec.Workload.Manifests {
		var o metav1.PartialObjectMetadata
		if json.Unmarshal(m.Raw, &o) == nil {
			names = append(names, o.Name)
		}
	}
	return names
}

// write the ManifestWorks that are not as they should be. It tells whether one of them waits until the cluster has applied another.
func (d *delivering) write(ctx context.Context) (waits bool, err error) {
	sizes := make(map[string]int, len(d.manifests))
	for name, raw := range d.manifests {
		sizes[name] = len(raw)
	}
	a := arrange(sizes, d.held)
	chunks := maps.Clone(a.chunks)
	for i := range d.works {
		if _, used := chunks[i]; !used {
			chunks[i] = nil
		}
	}
	var errs []error
	for _, i := range slices.Sorted(maps.Keys(chunks)) {
		there, err := d.arrived(ctx, a.leaving[i])
		if err == nil && there {
			err = d.settle(ctx, i, chunks[i])
		}
		waits = waits || !there
		errs = append(errs, err)
	}
	return waits, errors.Join(errs...)
}

// settle one ManifestWork.
func (d *delivering) settle(ctx context.Context, i int, names []string) error {
	if len(names) == 0 {
		return d.remove(ctx, d.works[i])
	}
	desired, err := catalogWorkFor(d.cluster, d.AgentNamespace, i, names, d.manifests)
	if err != nil {
		return err
	}
	return d.ship(ctx, d.works[i], desired)
}

// arrived tells whether the templates that leave a ManifestWork are on the cluster by the one that they go to. Before that they may not leave: the cluster
// would be without them for a while.
func (d *delivering) arrived(ctx context.Context, leaving map[string]int) (bool, error) {
	for _, name := range slices.Sorted(maps.Keys(leaving)) {
		key := types.NamespacedName{Namespace: d.cluster, Name: catalogWorkName(leaving[name])}
		work, err := find(ctx, d.Live, key, &workv1.ManifestWork{})
		if err != nil {
			return false, fmt.Errorf("read ManifestWork %s again: %w", key, err)
		}
		if work == nil || !seenTo(work, name) {
			return false, nil
		}
	}
	return true, nil
}

// seenTo tells whether the work agent has seen to a template of a ManifestWork: it has applied it, or found one there that is somebody else's.
func seenTo(work *workv1.ManifestWork, name string) bool {
	whole := meta.FindStatusCondition(work.Status.Conditions, workv1.WorkApplied)
	if whole == nil || whole.ObservedGeneration != work.Generation {
		return false
	}
	for _, m := range work.Status.ResourceStatus.Manifests {
		if m.ResourceMeta.Name != name || m.ResourceMeta.Resource != "operationtemplates" {
			continue
		}
		one := meta.FindStatusCondition(m.Conditions, workv1.ManifestApplied)
		// The second is what every API server says of fields that another manager owns.
		return one != nil && (one.Status == metav1.ConditionTrue || strings.Contains(one.Message, "Apply failed with"))
	}
	return false
}
