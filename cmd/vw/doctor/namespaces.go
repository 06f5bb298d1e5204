// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"strconv"

	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// claimsReported is how many custom claims a klusterlet brings to the hub unless it is told otherwise.
const claimsReported = 20

// checkNamespaces: those with instances are open to the agent.
func checkNamespaces(ctx context.Context, s *Site, f *Findings) error {
	instances, namespaces := &appsv1alpha1.ApplicationInstanceList{}, &corev1.NamespaceList{}
	if err := s.Client.List(ctx, instances); err != nil {
		return err
	}
	if err := s.Client.List(ctx, namespaces); err != nil {
		return err
	}
	judgeNamespaces(f, namespaces.Items, instances.Items)
	return nil
}

func judgeNamespaces(f *Findings, namespaces []corev1.Namespace, instances []appsv1alpha1.ApplicationInstance) {
	open := map[string]bool{}
	for i := range namespaces {
		if namespaces[i].Labels[appsv1alpha1.LabelNamespaceGate] == appsv1alpha1.NamespaceGated {
			open[namespaces[i].Name] = true
		}
	}
	var shut []string
	for i := range instances {
		if ns := instances[i].Namespace; !open[ns] {
			shut = appendNew(shut, ns)
		}
	}
	switch {
	case len(shut) > 0:
		f.warn(fmt.Sprintf("kubectl label namespace %s %s=%s, if its owner wants that", shut[0], appsv1alpha1.LabelNamespaceGate, appsv1alpha1.NamespaceGated),
			"they hold ApplicationInstances and are not open to the agent: %s", several(sorted(shut)))
	case len(open) == 0:
		f.warn(fmt.Sprintf("kubectl label namespace NAMESPACE %s=%s", appsv1alpha1.LabelNamespaceGate, appsv1alpha1.NamespaceGated), "no namespace is open to the agent")
	default:
		f.ok("%d namespaces are open to the agent, and hold %d ApplicationInstances", len(open), len(instances))
	}
}

// checkClaims: they say what is so.
func checkClaims(ctx context.Context, s *Site, f *Findings) error {
	served, err := s.served(&clusterv1alpha1.ClusterClaim{})
	if err != nil {
		return err
	}
	if !served {
		f.skip("", "this cluster is in no fleet: ClusterClaims are not served")
		return nil
	}
	claims, instances, namespaces := &clusterv1alpha1.ClusterClaimList{}, &appsv1alpha1.ApplicationInstanceList{}, &corev1.NamespaceList{}
	if err := s.Client.List(ctx, claims); err != nil {
		return err
	}
	counted := true
	for _, list := range []client.ObjectList{instances, namespaces} {
		if err := s.Client.List(ctx, list); apierrors.IsForbidden(err) {
			counted = false
		} else if err != nil {
			return err
		}
	}
	if !counted {
		f.skip("", "whether they count right cannot be seen: you may not list applicationinstances and namespaces")
	}
	judgeClaims(f, claims.Items, instances.Items, namespaces.Items, counted)
	return nil
}

func judgeClaims(f *Findings, claims []clusterv1alpha1.ClusterClaim, instances []appsv1alpha1.ApplicationInstance, namespaces []corev1.Namespace, counted bool) {
	const agent = "kubectl -n vworkspace-agent logs deploy/vworkspace-agent: is the agent running?"
	says := map[string]string{}
	ours := 0
	for i := range claims {
		says[claims[i].Name] = claims[i].Spec.Value
		if claims[i].Labels[appsv1alpha1.LabelManagedBy] == appsv1alpha1.ManagedByControlPlane {
			ours++
		}
	}
	if ours == 0 {
		f.fail(agent, "the agent has made no claim, so that the hub takes it for missing")
		return
	}
	if len(claims) > claimsReported {
		f.warn("raise the klusterlet's --max-custom-cluster-claims (Klusterlet: spec.registrationConfiguration.clusterClaimConfiguration.maxCustomClusterClaims)",
			"there are %d claims, and a klusterlet reports %d unless it is told otherwise", len(claims), claimsReported)
	}
	if counted {
		var wrong []string
		for name, n := range counts(instances, namespaces) {
			if says[name] != strconv.Itoa(n) {
				wrong = append(wrong, fmt.Sprintf("%s says %q for %d", name, says[name], n))
			}
		}
		if len(wrong) > 0 {
			f.warn(agent, "claims that are not up to date: %s", several(sorted(wrong)))
		}
	}
	if !f.bad() {
		f.ok("%d claims say what the cluster has", ours)
	}
}

// counts of instances in open namespaces, by the claims that say so.
func counts(instances []appsv1alpha1.ApplicationInstance, namespaces []corev1.Namespace) map[string]int {
	open := map[string]bool{}
	for i := range namespaces {
		open[namespaces[i].Name] = namespaces[i].Labels[appsv1alpha1.LabelNamespaceGate] == appsv1alpha1.NamespaceGated
	}
	counted := map[string]int{}
	for i := range instances {
		if open[instances[i].Namespace] {
			counted[opsv1alpha1.AppClaim(instances[i].Spec.AppRef.CatalogID)]++
		}
	}
	return counted
}
