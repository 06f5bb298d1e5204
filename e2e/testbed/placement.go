// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	clusterclient "open-cluster-management.io/api/client/cluster/clientset/versioned"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	clusterv1beta2 "open-cluster-management.io/api/cluster/v1beta2"
)

const (
	// globalClusterSet is OCM's set of every cluster.
	globalClusterSet = "global"
	placementTimeout = 30 * time.Second
)

// Place lets a namespace of the hub use every cluster: it creates the namespace if need be, binds OCM's global
// ManagedClusterSet into it, and creates a Placement that selects all clusters. It returns when the Placement has
// decided on all spokes. What exists already is left as it is.
func (f *Fleet) Place(ctx context.Context, namespace, placement string) error {
	kube, err := kubernetes.NewForConfig(f.Hub.Config())
	if err != nil {
		return err
	}
	clusters, err := clusterclient.NewForConfig(f.Hub.Config())
	if err != nil {
		return err
	}
	_, err = kube.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create namespace %s: %w", namespace, err)
	}
	binding := &clusterv1beta2.ManagedClusterSetBinding{
		ObjectMeta: metav1.ObjectMeta{Name: globalClusterSet, Namespace: namespace},
		Spec:       clusterv1beta2.ManagedClusterSetBindingSpec{ClusterSet: globalClusterSet},
	}
	_, err = clusters.ClusterV1beta2().ManagedClusterSetBindings(namespace).Create(ctx, binding, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("bind cluster set %s into %s: %w", globalClusterSet, namespace, err)
	}
	all := &clusterv1beta1.Placement{
		ObjectMeta: metav1.ObjectMeta{Name: placement, Namespace: namespace},
		Spec:       clusterv1beta1.PlacementSpec{ClusterSets: []string{globalClusterSet}},
	}
	_, err = clusters.ClusterV1beta1().Placements(namespace).Create(ctx, all, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create placement %s/%s: %w", namespace, placement, err)
	}
	return f.waitDecided(ctx, clusters, namespace, placement)
}

func (f *Fleet) waitDecided(ctx context.Context, clusters clusterclient.Interface, namespace, placement string) error {
	var decided int
	err := wait.PollUntilContextTimeout(ctx, probeEvery, placementTimeout, true, func(ctx context.Context) (bool, error) {
		decisions, err := clusters.ClusterV1beta1().PlacementDecisions(namespace).List(ctx,
			metav1.ListOptions{LabelSelector: clusterv1beta1.PlacementLabel + "=" + placement})
		if err != nil {
			return false, err
		}
		decided = 0
		for _, d := range decisions.Items {
			decided += len(d.Status.Decisions)
		}
		return decided >= len(f.Spokes), nil
	})
	if err != nil {
		return fmt.Errorf("placement %s/%s decided on %d of %d clusters: %w", namespace, placement, decided, len(f.Spokes), err)
	}
	return nil
}
