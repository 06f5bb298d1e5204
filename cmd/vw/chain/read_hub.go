// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	coordinationv1 "k8s.io/api/coordination/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/placement"
)

// LeaseName is that of the Lease which a klusterlet renews, in its cluster's namespace on the hub.
const LeaseName = "managed-cluster-lease"

// Read what the hub knows of an Operation, and of one cluster of it. On a cluster alone cluster is empty.
func Read(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation, cluster string, now time.Time) (Facts, error) {
	f := Facts{Now: now, Operation: op, Cluster: cluster}
	if cluster == "" || op.Status.Plan == nil {
		return f, nil
	}
	view, err := hub.ReadView(ctx, from, op)
	switch {
	case unreadable(err):
		f.PlanWhy = "the plan could not be read: " + short(err)
		f.WorkName = opsv1alpha1.RunName(op.Name, op.UID) // of the first attempt
	case err != nil:
		return f, err
	default:
		f.Place = placeOf(view.Plan(), cluster)
		f.Planned = view.Plan().Clusters()
		f.WorkName = view.Work(cluster).Name
	}
	if f.WorkName != "" {
		if f.Work, err = look(ctx, from, client.ObjectKey{Namespace: cluster, Name: f.WorkName}, &workv1.ManifestWork{},
			"so that nobody can tell here whether it was delivered"); err != nil {
			return f, err
		}
	}
	if view != nil {
		if f.Work.Object != nil {
			view.Observe(f.Work.Object)
		}
		f.Result, _ = view.Result(cluster)
	}
	if f.ManagedCluster, err = look(ctx, from, client.ObjectKey{Name: cluster}, &clusterv1.ManagedCluster{}, "so that nobody can tell here whether the cluster is available"); err != nil {
		return f, err
	}
	if f.Lease, err = look(ctx, from, client.ObjectKey{Namespace: cluster, Name: LeaseName}, &coordinationv1.Lease{},
		"so that nobody can tell here whether the work agent is alive"); err != nil {
		return f, err
	}
	freezes := &opsv1alpha1.FreezeList{}
	if err := from.List(ctx, freezes); err == nil { // it only adds a name to what the status says
		f.Freezes = freezes.Items
	}
	return f, nil
}

// Clusters of the plan of an Operation, in its order; none when there is no plan yet, or it may not be read.
func Clusters(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation) ([]string, error) {
	view, err := hub.ReadView(ctx, from, op)
	if unreadable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return view.Plan().Clusters(), nil
}

// placeOf a cluster; nil when it is not in the plan.
func placeOf(plan placement.Plan, cluster string) *Place {
	position := 0
	for i, g := range plan.Groups {
		if at := slices.Index(g.Clusters, cluster); at >= 0 {
			return &Place{Group: plan.GroupName(i), Index: i + 1, Total: len(plan.Groups), Position: position + at + 1, Clusters: plan.Len()}
		}
		position += len(g.Clusters)
	}
	return nil
}

// look for an object. That one may not see it, or that its kind is not served, is no error; lacks says why that matters.
func look[T any, P interface {
	*T
	client.Object
}](ctx context.Context, from client.Reader, key client.ObjectKey, into P, lacks string) (Seen[T], error) {
	err := from.Get(ctx, key, into)
	switch {
	case err == nil:
		return found((*T)(into)), nil
	case apierrors.IsNotFound(err):
		return Seen[T]{Looked: true}, nil
	case unreadable(err):
		return Seen[T]{Why: short(err) + ", " + lacks}, nil
	}
	return Seen[T]{}, fmt.Errorf("read %s: %w", key, err)
}

// unreadable tells whether an error is one that another look will not mend, and that leaves the rest to be seen.
func unreadable(err error) bool { return apierrors.IsForbidden(err) || meta.IsNoMatchError(err) }

// short is an error for people who read many of them.
func short(err error) string {
	if status, is := errors.AsType[*apierrors.StatusError](err); is && apierrors.IsForbidden(err) && status.Status().Details != nil {
		d := status.Status().Details
		return strings.TrimSpace(fmt.Sprintf("you have no right to read %s %s", d.Kind, d.Name))
	}
	return err.Error()
}
