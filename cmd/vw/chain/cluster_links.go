// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// patience is how long a step that takes a moment may take before it counts as broken.
	patience = 30 * time.Second
	// defaultLeaseDuration is Open Cluster Management's own, where a ManagedCluster says none.
	defaultLeaseDuration = 60 * time.Second
	// missedRenewals are how many a klusterlet may miss: its clock and the reader's need not agree to the second.
	missedRenewals = 3
	// HubAgentNamespace is where Open Cluster Management's agent is on a cluster, unless its Klusterlet says otherwise.
	HubAgentNamespace = "open-cluster-management-agent"
)

// told tells whether the cluster has been told anything, so that the way to it counts.
func (w *walk) told() bool { return w.Place != nil && (w.Result.State != "" || w.startedUnseen()) }

// cluster is the ManagedCluster.
func (w *walk) cluster() {
	n := node{Link: Link{Step: StepCluster, Depth: 1, Name: "ManagedCluster " + w.Cluster}}
	mc := w.ManagedCluster.Object
	if mc == nil {
		n.State, n.Phase, n.Message = Unknown, "not seen", w.ManagedCluster.Why
		if w.ManagedCluster.Absent() {
			n.State, n.Phase, n.Message = w.onTheWay(Broken), "gone", "there is no such ManagedCluster on the hub"
			n.advice = advise(opsv1alpha1.ReasonClusterNotFound, w.spot())
		}
		w.add(n)
		return
	}
	n.Object = &opsv1alpha1.ResourceRef{APIVersion: clusterv1.GroupVersion.String(), Kind: "ManagedCluster", Name: mc.Name, UID: mc.UID}
	available := meta.FindStatusCondition(mc.Status.Conditions, clusterv1.ManagedClusterConditionAvailable)
	switch {
	case !mc.Spec.HubAcceptsClient:
		n.State, n.Phase, n.Message = w.onTheWay(Broken), "not accepted", "spec.hubAcceptsClient is false"
		n.advice = "clusteradm accept --clusters " + mc.Name
	case available == nil:
		n.State, n.Phase, n.Message = w.onTheWay(Broken), "never joined", "its klusterlet has not joined the hub"
		n.advice = "kubectl -n " + HubAgentNamespace + " get pods on " + mc.Name
	case available.Status != metav1.ConditionTrue:
		n.State, n.Phase, n.Since, n.Message = w.onTheWay(Broken), "not available", &available.LastTransitionTime, available.Message
		n.cause = fmt.Sprintf("the hub has not heard of cluster %s: %s", mc.Name, available.Message)
		n.advice = fmt.Sprintf("is the cluster up, and can it reach the hub? On it: kubectl -n %s get pods", HubAgentNamespace)
		// The lease tells since when, and is the better cause.
		n.effect = w.leaseAge() > 0
	default:
		n.State, n.Phase, n.Since = OK, "available", &available.LastTransitionTime
	}
	w.add(n)
}

// leaseAge is for how long the klusterlet has not renewed its lease, when that is longer than it may be; else 0.
func (w *walk) leaseAge() time.Duration {
	lease := w.Lease.Object
	if lease == nil || lease.Spec.RenewTime == nil {
		return 0
	}
	every := defaultLeaseDuration
	if mc := w.ManagedCluster.Object; mc != nil && mc.Spec.LeaseDurationSeconds > 0 {
		every = time.Duration(mc.Spec.LeaseDurationSeconds) * time.Second
	} else if s := ptr.Deref(lease.Spec.LeaseDurationSeconds, 0); s > 0 {
		every = time.Duration(s) * time.Second
	}
	if age := w.Now.Sub(lease.Spec.RenewTime.Time); age > missedRenewals*every {
		return age
	}
	return 0
}

// workAgent is Open Cluster Management's agent on the cluster, by its lease on the hub.
func (w *walk) workAgent() {
	n := node{Link: Link{Step: StepWorkAgent, Depth: 1, Name: "work agent of " + w.Cluster}}
	lease := w.Lease.Object
	switch age := w.leaseAge(); {
	case w.Lease.Absent():
		n.State, n.Phase, n.Message = w.onTheWay(Broken), "no lease", "it has never renewed its lease on the hub"
		n.advice = fmt.Sprintf("on %s: kubectl -n %s get pods", w.Cluster, HubAgentNamespace)
	case lease == nil || lease.Spec.RenewTime == nil:
		n.State, n.Phase, n.Message = Unknown, "not seen", w.Lease.Why
	case age > 0:
		n.State, n.Phase = w.onTheWay(Broken), "silent"
		n.Message = fmt.Sprintf("has not renewed its lease for %s", Short(age))
		n.cause = fmt.Sprintf("the work agent of %s has not renewed its lease for %s: nothing arrives there, and nothing is heard from there", w.Cluster, Short(age))
		n.advice = fmt.Sprintf("is the cluster up, and can it reach the hub? On %s: kubectl -n %s get pods, and the log of the klusterlet's agent; what was sent waits for it",
			w.Cluster, HubAgentNamespace)
	default:
		n.State, n.Phase = OK, "alive"
		n.Message = fmt.Sprintf("renewed its lease %s ago", w.ago(lease.Spec.RenewTime.Time))
	}
	if lease != nil && lease.Spec.RenewTime != nil {
		n.Since = ptr.To(metav1.NewTime(lease.Spec.RenewTime.Time))
	}
	w.add(n)
}

// engineClaims are the engines that the cluster's agent says are installed.
func engineClaims(mc *clusterv1.ManagedCluster) []string {
	var all []string
	for _, c := range mc.Status.ClusterClaims {
		if engine, is := strings.CutSuffix(c.Name, opsv1alpha1.ClaimEngine); is {
			all = append(all, engine+"="+c.Value)
		}
	}
	return all
}

// agent of vWorkspace on the cluster: whether it has taken up what was delivered.
func (w *walk) agent() {
	if !w.told() {
		return
	}
	n := node{Link: Link{Step: StepAgent, Depth: 1, Name: "vWorkspace agent of " + w.Cluster, State: OK}}
	if mc := w.ManagedCluster.Object; mc != nil {
		if claims := engineClaims(mc); len(claims) > 0 {
			n.Message = "claims " + strings.Join(claims, ", ")
		} else {
			n.Message = "the cluster claims no engine: no agent has ever reported"
		}
	}
	since, took := w.taken()
	switch {
	case took:
		n.Phase, n.Since = "took it up", since
	case !w.arrived():
		n.State, n.Phase = Unknown, "not reached"
	case w.gaveUp():
		n.State, n.Phase = Unknown, "never answered" // blame says more
	default:
		w.idle(&n, since)
	}
	w.add(n)
}

// idle is an agent that has not taken up what was delivered at a time.
func (w *walk) idle(n *node, since *metav1.Time) {
	n.State, n.Phase, n.Since = Waiting, "awaited", since
	n.cause = fmt.Sprintf("delivered, and the agent of %s has not taken it up", w.Cluster)
	n.advice = "wait a moment"
	if since != nil && w.Now.Sub(since.Time) < patience {
		return
	}
	n.State, n.Phase = Broken, "silent"
	n.advice = fmt.Sprintf("on %s: kubectl -n %s get pods, and the log of deploy/vworkspace-agent", w.Cluster, opsv1alpha1.DefaultAgentNamespace)
	if since != nil {
		n.cause = fmt.Sprintf("delivered, and the agent of %s has not taken it up for %s: is it running?", w.Cluster, w.ago(since.Time))
	}
	if b := w.Below; b != nil {
		for i := range b.Agent {
			if t := podTrouble(&b.Agent[i]); t.state == Broken {
				n.cause += "; " + t.cause
			}
		}
	}
}

// taken tells whether the agent has taken up what was delivered, and since when; else when it was delivered.
func (w *walk) taken() (*metav1.Time, bool) {
	if w.Result.State.Terminal() && !w.gaveUp() || w.answered() {
		if t := w.Result.StartedAt; !t.IsZero() {
			return ptr.To(metav1.NewTime(t)), true
		}
		return nil, true
	}
	if b := w.Below; b != nil && b.Operation.Object != nil && b.Operation.Object.Status.Phase != "" {
		return movedAt(&b.Operation.Object.Status), true
	}
	return w.appliedAt(), false
}
