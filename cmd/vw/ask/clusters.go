// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// PlacementOf clusters by their names: what an Operation on them is placed by. The namespace must be allowed to reach them, as with any Placement.
func PlacementOf(namespace, name string, clusters []string) *clusterv1beta1.Placement {
	sorted := slices.Clone(clusters)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	quoted := make([]string, len(sorted))
	for i, c := range sorted {
		quoted[i] = strconv.Quote(c)
	}
	return &clusterv1beta1.Placement{
		TypeMeta:   metav1.TypeMeta{APIVersion: clusterv1beta1.GroupVersion.String(), Kind: "Placement"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: clusterv1beta1.PlacementSpec{Predicates: []clusterv1beta1.ClusterPredicate{{
			RequiredClusterSelector: clusterv1beta1.ClusterSelector{CelSelector: clusterv1beta1.ClusterCelSelector{
				CelExpressions: []string{fmt.Sprintf("managedCluster.metadata.name in [%s]", strings.Join(quoted, ", "))},
			}},
		}}},
	}
}

// OwnedBy an Operation, a Placement that was made for it goes when it goes.
func OwnedBy(p *clusterv1beta1.Placement, op *opsv1alpha1.Operation) {
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Operation", Name: op.Name, UID: op.UID}}
}

// matches tells whether a selector picks an instance.
func matches(instance *appsv1alpha1.ApplicationInstance, s *opsv1alpha1.InstanceSelector) bool {
	if len(s.Namespaces) > 0 && !slices.Contains(s.Namespaces, instance.Namespace) {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(s.LabelSelector)
	return s.LabelSelector == nil || err == nil && selector.Matches(labels.Set(instance.Labels))
}
