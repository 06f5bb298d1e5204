// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "open-cluster-management.io/api/cluster/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// clusterLease is the Lease that a cluster renews, in the namespace of its name.
	clusterLease = "managed-cluster-lease"
	// defaultLease is how often it does so where the ManagedCluster does not say, in seconds.
	defaultLease = 60
	// missedLeases is how often in a row it may be missed: Open Cluster Management gives up after five.
	missedLeases = 3
	// fewAway is how many in a hundred clusters may be away before it is no more theirs alone: as the alert VWorkspaceClustersUnreachable has it.
	fewAway = 5
)

// checkClusters of the hub, or the one that was asked for.
func checkClusters(ctx context.Context, s *Site, f *Findings) error {
	list := &clusterv1.ManagedClusterList{}
	if s.Cluster != "" {
		var one clusterv1.ManagedCluster
		err := s.Client.Get(ctx, client.ObjectKey{Name: s.Cluster}, &one)
		if apierrors.IsNotFound(err) {
			f.fail("kubectl get managedclusters", "there is no ManagedCluster %s", s.Cluster)
			return nil
		}
		if err != nil {
			return err
		}
		list.Items = append(list.Items, one)
	} else if err := s.Client.List(ctx, list); err != nil {
		return err
	}
	renewed, err := s.renewals(ctx)
	if apierrors.IsForbidden(err) {
		f.skip("", "when clusters were last heard of cannot be seen: you may not list leases in all namespaces")
	} else if err != nil {
		return err
	}
	judgeClusters(f, list.Items, renewed, s.Now, s.Cluster != "")
	return nil
}

// renewals of the clusters' Leases, by cluster.
func (s *Site) renewals(ctx context.Context) (map[string]time.Time, error) {
	leases := &coordinationv1.LeaseList{}
	options := []client.ListOption{client.InNamespace(s.Cluster)}
	if err := s.Client.List(ctx, leases, options...); err != nil {
		return nil, err
	}
	renewed := map[string]time.Time{}
	for _, lease := range leases.Items {
		if lease.Name == clusterLease && lease.Spec.RenewTime != nil {
			renewed[lease.Namespace] = lease.Spec.RenewTime.Time
		}
	}
	return renewed, nil
}

// judgeClusters all together: of a thousand, a few are always away.
func judgeClusters(f *Findings, clusters []clusterv1.ManagedCluster, renewed map[string]time.Time, now time.Time, one bool) {
	if len(clusters) == 0 {
		f.warn("join one: clusteradm join, or docs of Open Cluster Management", "no cluster has joined this hub")
		return
	}
	var away, waiting, late, ahead, bare []string
	for i := range clusters {
		c := &clusters[i]
		every := time.Duration(defaultLease) * time.Second
		if c.Spec.LeaseDurationSeconds > 0 {
			every = time.Duration(c.Spec.LeaseDurationSeconds) * time.Second
		}
		age := now.Sub(renewed[c.Name]).Round(time.Second)
		switch _, known := renewed[c.Name]; {
		case !c.Spec.HubAcceptsClient:
			waiting = append(waiting, c.Name)
			continue
		case !meta.IsStatusConditionTrue(c.Status.Conditions, clusterv1.ManagedClusterConditionAvailable):
			away = append(away, c.Name+heard(known, age))
		case known && age > missedLeases*every:
			late = append(late, c.Name+heard(known, age))
		case known && age < -skewShown:
			ahead = append(ahead, fmt.Sprintf("%s (%s)", c.Name, -age))
		}
		if !hasAgent(c) {
			bare = append(bare, c.Name)
		}
	}
	const klusterlet = "docs/how-to/runbooks.md#vworkspaceclustersunreachable: network, certificate (kubectl get csr), the klusterlet on the cluster (kubectl -n open-cluster-management-agent get pods)"
	if n := len(away); n > 0 {
		level := Warn
		if one || n*100 > fewAway*len(clusters) {
			level = Fail
		}
		f.add(level, klusterlet, "%d of %d clusters are not available: %s", n, len(clusters), several(away))
	}
	if len(waiting) > 0 {
		f.warn("clusteradm accept --clusters "+strings.Join(waiting, ","), "not accepted by the hub: %s", several(waiting))
	}
	if len(late) > 0 {
		f.warn(klusterlet, "available, and late with their leases: %s", several(late))
	}
	if len(ahead) > 0 {
		f.warn("set the clocks of these clusters by NTP", "clocks that are ahead of this machine's: %s", several(ahead))
	}
	if len(bare) > 0 {
		f.warn("docs/how-to/install.md: install the agent there; where one is, kubectl get clusterclaims on the cluster, and the klusterlet's --max-custom-cluster-claims",
			"no agent has said what it has: %s", several(bare))
	}
	if !f.bad() {
		f.ok("%d clusters are available, and have an agent", len(clusters))
	}
}

func heard(known bool, age time.Duration) string {
	if !known {
		return ""
	}
	return fmt.Sprintf(" (last heard of %s ago)", age)
}

// hasAgent tells whether an agent of ours has made a claim there.
func hasAgent(c *clusterv1.ManagedCluster) bool {
	for _, claim := range c.Status.ClusterClaims {
		if strings.HasSuffix(claim.Name, opsv1alpha1.ClaimEngine) || strings.HasSuffix(claim.Name, opsv1alpha1.ClaimApp) {
			return true
		}
	}
	return false
}
