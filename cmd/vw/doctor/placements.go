// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	clusterv1beta2 "open-cluster-management.io/api/cluster/v1beta2"
)

// checkPlacements of all namespaces.
func checkPlacements(ctx context.Context, s *Site, f *Findings) error {
	placements := &clusterv1beta1.PlacementList{}
	if err := s.Client.List(ctx, placements); err != nil {
		return err
	}
	if len(placements.Items) == 0 {
		f.ok("there are no Placements")
		return nil
	}
	bindings := &clusterv1beta2.ManagedClusterSetBindingList{}
	if err := s.Client.List(ctx, bindings); err != nil {
		return err
	}
	judgePlacements(f, placements.Items, bindings.Items)
	return nil
}

func judgePlacements(f *Findings, placements []clusterv1beta1.Placement, bindings []clusterv1beta2.ManagedClusterSetBinding) {
	bound := map[string]bool{}
	for i := range bindings {
		bound[bindings[i].Namespace] = true
	}
	var undecided, empty, unbound []string
	for i := range placements {
		p := &placements[i]
		name := p.Namespace + "/" + p.Name
		satisfied := meta.FindStatusCondition(p.Status.Conditions, clusterv1beta1.PlacementConditionSatisfied)
		switch {
		case !bound[p.Namespace]:
			unbound = append(unbound, name)
		case satisfied == nil:
			undecided = append(undecided, name)
		case p.Status.NumberOfSelectedClusters == 0:
			empty = append(empty, fmt.Sprintf("%s (%s)", name, satisfied.Message))
		}
	}
	if len(unbound) > 0 {
		f.warn("clusteradm clusterset bind SET --namespace NAMESPACE, or create a ManagedClusterSetBinding there",
			"their namespace is bound to no ManagedClusterSet, so that they select nobody: %s", several(sorted(unbound)))
	}
	if len(undecided) > 0 {
		f.warn("kubectl describe placement; is Open Cluster Management's placement controller running?", "not decided: %s", several(sorted(undecided)))
	}
	if len(empty) > 0 {
		f.warn("kubectl describe placement: predicates, taints, and what the ManagedClusterSets hold", "they select no cluster: %s", several(sorted(empty)))
	}
	if !f.bad() {
		f.ok("%d Placements are decided, and select somebody", len(placements))
	}
}
