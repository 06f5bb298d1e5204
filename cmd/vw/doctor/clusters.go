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
	// defaultLease is how often it does so where the ManagedCluster does not say.
	defaultLease = time.Minute
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
	if err := s.Client.List(ctx, leases, client.InNamespace(s.Cluster)); err != nil {
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

// standings are clusters by what is wrong with them.
type standings struct{ away, waiting, late, ahead, bare []string }

// judgeClusters all together: of a thousand, a few are always away.
func judgeClusters(f *Findings, clusters []clusterv1.ManagedCluster, renewed map[string]time.Time, now time.Time, one bool) {
	if len(clusters) == 0 {
		f.warn("join one: clusteradm join, or docs of Open Cluster Management", "no cluster has joined this hub")
		return
	}
	var s standings
	for i := range clusters {
		at, known := renewed[clusters[i].Name]
		s.add(&clusters[i], known, now.Sub(at).Round(time.Second))
	}
	const klusterlet = "docs/how-to/runbooks.md#vworkspaceclustersunreachable: network, certificate (kubectl get csr), the klusterlet on the cluster (kubectl -n open-cluster-management-agent get pods)"
	if n := len(s.away); n > 0 {
		level := Warn
		if one || n*100 > fewAway*len(clusters) {
			level = Fail
		}
		f.add(level, klusterlet, "%d of %d clusters are not available: %s", n, len(clusters), several(s.away))
	}
	if len(s.waiting) > 0 {
		f.warn("clusteradm accept --clusters "+strings.Join(s.waiting, ","), "not accepted by the hub: %s", several(s.waiting))
	}
	if len(s.late) > 0 {
		f.warn(klusterlet, "available, and late with their leases: %s", several(s.late))
	}
	if len(s.ahead) > 0 {
		f.warn("set the clocks of these clusters by NTP", "clocks that are ahead of this machine's: %s", several(s.ahead))
	}
	if len(s.bare) > 0 {
		f.warn("docs/how-to/install.md: install the agent there; where one is, kubectl get clusterclaims on the cluster, and the klusterlet's --max-custom-cluster-claims",
			"no agent has said what it has: %s", several(s.bare))
	}
	if !f.bad() {
		f.ok("%d clusters are available, and have an agent", len(clusters))
	}
}

// add a cluster whose Lease, if it is known, is of that age.
func (s *standings) add(c *clusterv1.ManagedCluster, known bool, age time.Duration) {
	every := defaultLease
	if seconds := c.Spec.LeaseDurationSeconds; seconds > 0 {
		every = time.Duration(seconds) * time.Second
	}
	switch {
	case !c.Spec.HubAcceptsClient:
		s.waiting = append(s.waiting, c.Name)
		return
	case !meta.IsStatusConditionTrue(c.Status.Conditions, clusterv1.ManagedClusterConditionAvailable):
		s.away = append(s.away, c.Name+heard(known, age))
	case known && age > missedLeases*every:
		s.late = append(s.late, c.Name+heard(known, age))
	case known && age < -skewShown:
		s.ahead = append(s.ahead, fmt.Sprintf("%s (%s)", c.Name, -age))
	}
	if !hasAgent(c) {
		s.bare = append(s.bare, c.Name)
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
