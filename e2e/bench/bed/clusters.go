// SPDX-License-Identifier: Apache-2.0

package bed

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	clusterv1beta2 "open-cluster-management.io/api/cluster/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// clusterSet is OCM's set of every cluster.
	clusterSet = "global"
	// settles is how long the machine may take over what others do about new clusters.
	settles = 15 * time.Minute
)

// Clusters are the names of the first n.
func (b *Bed) Clusters(n int) []string { return b.clusters[:n] }

// Grow makes clusters until there are n, and waits until nobody has any work left with the new ones.
func (b *Bed) Grow(ctx context.Context, n int) error {
	had := len(b.clusters)
	if had >= n {
		return nil
	}
	begun := time.Now()
	for i := had; i < n; i++ {
		b.clusters = append(b.clusters, fmt.Sprintf("c%05d", i))
	}
	if err := Each(ctx, n-had, func(ctx context.Context, i int) error { return b.addCluster(ctx, had+i) }); err != nil {
		return fmt.Errorf("make clusters: %w", err)
	}
	if err := Each(ctx, n-had, func(ctx context.Context, i int) error { return b.HasAccount(ctx, b.clusters[had+i]) }); err != nil {
		return fmt.Errorf("wait for the clusters' namespaces: %w", err)
	}
	for _, size := range b.sizes {
		if size > had && size <= n {
			if err := b.place(ctx, size); err != nil {
				return err
			}
		}
	}
	b.Tell("%d clusters in %s", n, time.Since(begun).Round(time.Second))
	return nil
}

// addCluster makes one as a hub has it whose registration is over: accepted, joined, available, with a lease that outlives the benchmark.
func (b *Bed) addCluster(ctx context.Context, i int) error {
	name := b.clusters[i]
	if err := b.makeNamespace(ctx, name); err != nil {
		return err
	}
	c := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: b.Labels(i)}}
	c.Spec.HubAcceptsClient, c.Spec.LeaseDurationSeconds = true, 86400
	if err := b.Client.Create(ctx, c); err != nil {
		return err
	}
	for _, t := range []string{clusterv1.ManagedClusterConditionHubAccepted, clusterv1.ManagedClusterConditionJoined, clusterv1.ManagedClusterConditionAvailable} {
		meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{Type: t, Status: metav1.ConditionTrue, Reason: "Bench", Message: "a fake cluster"})
	}
	return b.Client.Status().Update(ctx, c)
}

// Labels of the i-th cluster, for every object that stands for it.
func (b *Bed) Labels(i int) map[string]string {
	labels := map[string]string{}
	for _, size := range b.sizes {
		if i < size {
			labels[AmongFirst(size)] = "true"
		}
	}
	return labels
}

func (b *Bed) makeNamespace(ctx context.Context, name string) error {
	return client.IgnoreAlreadyExists(b.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))
}

// HasAccount waits until kube-controller-manager has done with a new namespace, so that its work is not measured as somebody else's.
func (b *Bed) HasAccount(ctx context.Context, namespace string) error {
	return wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, settles, true, func(ctx context.Context) (bool, error) {
		for _, o := range []client.Object{
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kube-root-ca.crt"}},
		} {
			if err := b.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: o.GetName()}, o); err != nil {
				return false, client.IgnoreNotFound(err)
			}
		}
		return true, nil
	})
}

// Placement is the name of the Placement that has decided for the first n clusters. There is one for every size that Up was told.
func Placement(n int) string { return fmt.Sprintf("first-%d", n) }

// AmongFirst is the label, with the value "true", of the first n clusters. There is one for every size that Up was told, and for 1.
func AmongFirst(n int) string { return fmt.Sprintf("bench.vworkspace.io/first-%d", n) }

// place makes the Placement of a size, and waits until Open Cluster Management's own controller has decided.
func (b *Bed) place(ctx context.Context, n int) error {
	binding := &clusterv1beta2.ManagedClusterSetBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: clusterSet},
		Spec:       clusterv1beta2.ManagedClusterSetBindingSpec{ClusterSet: clusterSet},
	}
	p := &clusterv1beta1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: Placement(n)}}
	p.Spec.ClusterSets = []string{clusterSet}
	p.Spec.Tolerations = []clusterv1beta1.Toleration{{Operator: clusterv1beta1.TolerationOpExists}}
	p.Spec.Predicates = []clusterv1beta1.ClusterPredicate{{RequiredClusterSelector: clusterv1beta1.ClusterSelector{
		LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{AmongFirst(n): "true"}},
	}}}
	for _, o := range []client.Object{binding, p} {
		if err := client.IgnoreAlreadyExists(b.Client.Create(ctx, o)); err != nil {
			return err
		}
	}
	var decided int
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, settles, true, func(ctx context.Context) (bool, error) {
		list := &clusterv1beta1.PlacementDecisionList{}
		if err := b.Client.List(ctx, list, client.InNamespace(Namespace), client.MatchingLabels{clusterv1beta1.PlacementLabel: p.Name}); err != nil {
			return false, err
		}
		decided = 0
		for i := range list.Items {
			decided += len(list.Items[i].Status.Decisions)
		}
		return decided == n, nil
	})
	if err != nil {
		return fmt.Errorf("Placement %s has decided for %d clusters: %w", p.Name, decided, err)
	}
	return nil
}

// Each calls do for 0 to n-1, Workers at once, until one fails.
func Each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(Workers)
	for i := range n {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return do(ctx, i)
		})
	}
	return group.Wait()
}
