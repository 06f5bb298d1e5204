// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"

	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/ask"
	"vworkspace.io/fleet/placement"
)

// readGround finds out whether the cluster is a hub, and what instances a namespace has. Without the right to list instances it goes on, and says so to who needs them.
func readGround(ctx context.Context, env *Env, c client.Client, namespace string) (ask.Ground, error) {
	g := ask.Ground{Namespace: namespace}
	var err error
	if g.Hub, err = isHub(env); err != nil {
		return g, err
	}
	list := &appsv1alpha1.ApplicationInstanceList{}
	switch err := c.List(ctx, list, client.InNamespace(namespace)); {
	case apierrors.IsForbidden(err):
	case err != nil:
		return g, fmt.Errorf("list ApplicationInstances: %w", err)
	default:
		g.Instances, g.Known = list.Items, true
	}
	return g, nil
}

// isHub tells whether Placements are served: everybody may ask that.
func isHub(env *Env) (bool, error) {
	config, err := env.Config()
	if err != nil {
		return false, err
	}
	discover, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return false, err
	}
	served, err := discover.ServerResourcesForGroupVersion(clusterv1beta1.GroupVersion.String())
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask whether Placements are served: %w", err)
	}
	for _, r := range served.APIResources {
		if r.Name == "placements" {
			return true, nil
		}
	}
	return false, nil
}

// readGroups are those of a Placement as it has decided by now; known is false where it may not be read, or has not decided.
func readGroups(ctx context.Context, c client.Client, namespace, name string) (groups []placement.Group, known bool, err error) {
	p := &clusterv1beta1.Placement{}
	switch err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, p); {
	case isMissing(err):
		return nil, false, &ask.Invalid{Option: "placement", Message: fmt.Sprintf("there is no Placement %s in namespace %s%s", name, namespace, otherPlacements(ctx, c, namespace, name))}
	case apierrors.IsForbidden(err):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read Placement %s: %w", name, err)
	}
	decisions := &clusterv1beta1.PlacementDecisionList{}
	switch err := c.List(ctx, decisions, client.InNamespace(namespace), client.MatchingLabels{clusterv1beta1.PlacementLabel: name}); {
	case apierrors.IsForbidden(err):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read the decisions of Placement %s: %w", name, err)
	}
	groups, pending := placement.Resolve(p, decisions.Items)
	return groups, pending == "", nil
}

func otherPlacements(ctx context.Context, c client.Client, namespace, name string) string {
	list := &clusterv1beta1.PlacementList{}
	if c.List(ctx, list, client.InNamespace(namespace)) != nil {
		return ""
	}
	names := make([]string, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Name
	}
	return ask.DidYouMean(name, names)
}

// checkClusters that were named, as far as they may be read.
func checkClusters(ctx context.Context, c client.Client, names []string) error {
	for _, name := range names {
		err := c.Get(ctx, client.ObjectKey{Name: name}, &clusterv1.ManagedCluster{})
		switch {
		case apierrors.IsForbidden(err):
			return nil
		case isMissing(err):
			list, known := &clusterv1.ManagedClusterList{}, []string{}
			if c.List(ctx, list) == nil {
				for i := range list.Items {
					known = append(known, list.Items[i].Name)
				}
			}
			return &ask.Invalid{Option: "cluster", Message: fmt.Sprintf("there is no ManagedCluster %s%s", name, ask.DidYouMean(name, known))}
		case err != nil:
			return fmt.Errorf("read ManagedCluster %s: %w", name, err)
		}
	}
	return nil
}
