// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// operation is the link that was asked about. It is where it stops when nothing was begun below it.
func (w *walk) operation() {
	s := &w.Operation.Status
	n := node{Link: Link{
		Step: StepOperation, Name: "Operation " + w.Operation.Namespace + "/" + w.Operation.Name,
		Object: refOf("Operation", w.Operation), Since: movedAt(s), Message: said(s.Reason, s.Message),
	}}
	n.State, n.Phase = phaseState(s)
	n.advice = advise(s.Reason, w.spot())
	if w.Cluster != "" {
		n.aside = s.Plan != nil // what holds this one cluster is told by its place in the plan, and what stops others does not stop this one
	} else {
		n.effect = s.ExpandedAt != nil || len(s.Resources) > 0 || s.Blocked
	}
	if s.Phase == "" {
		n.State, n.Phase, n.Message = Broken, "not taken up", "nothing has taken it up"
		n.cause = fmt.Sprintf("nothing has taken the Operation up for %s", w.ago(w.Operation.CreationTimestamp.Time))
		n.advice = "is the hub, or on a cluster alone its agent, running there? vw doctor"
		if w.Now.Sub(w.Operation.CreationTimestamp.Time) < patience {
			n.State = OK
		}
	}
	w.add(n)
}

// plan is the cluster's place, and what holds it back there.
func (w *walk) plan() {
	n := node{Link: Link{Step: StepPlan, Depth: 1, Name: "plan", State: OK, Phase: "planned"}}
	if w.PlanWhy != "" {
		n.State, n.Phase, n.Message = Unknown, "not seen", w.PlanWhy
		w.add(n)
		return
	}
	if w.Place == nil {
		n.State, n.Phase = Broken, "not planned"
		n.Message = fmt.Sprintf("cluster %s is not in the plan: that has %s", w.Cluster, listed(w.Planned))
		n.advice = fmt.Sprintf("vw plan %s lists the clusters that are; to add it, have the Placement select it and ask again", w.Operation.Name)
		if mc := w.ManagedCluster.Object; mc != nil && !meta.IsStatusConditionTrue(mc.Status.Conditions, clusterv1.ManagedClusterConditionAvailable) {
			n.advice += "; a Placement leaves out a cluster that is not available, as this one is now"
		}
		w.add(n)
		return
	}
	p := w.Place
	n.Message = fmt.Sprintf("cluster %d of %d", p.Position, p.Clusters)
	if p.Total > 1 {
		n.Message = fmt.Sprintf("group %s (%d of %d), %s", p.Group, p.Index, p.Total, n.Message)
	}
	switch {
	case w.startedUnseen():
		n.Phase = "started"
	case w.Result.State == "":
		w.unstarted(&n)
	case w.Result.State == placement.Skipped:
		n.Phase, n.State, n.Message = string(w.Result.State), Broken, said(w.Result.Reason, w.Result.Message)
		n.advice = advise(w.Result.Reason, w.spot())
	}
	w.add(n)
}

// startedUnseen tells whether the cluster was started and what it reports is not for the reader to see.
func (w *walk) startedUnseen() bool {
	r := w.Operation.Status.Rollout
	return w.Result.State == "" && w.Work.Why != "" && w.Place != nil && r != nil && int(r.Started) >= w.Place.Position
}

// unstarted says why a cluster has not been started. A run that is held says by what in its condition: its reason is that it rolls out.
func (w *walk) unstarted(n *node) {
	s := &w.Operation.Status
	reason := blockedBy(s)
	n.State, n.Phase, n.advice = Waiting, "not started", advise(reason, w.spot())
	switch {
	case s.Phase.Terminal():
		n.State = Broken
		n.cause = fmt.Sprintf("cluster %s was never started: the Operation ended before as %s: %s", w.Cluster, s.Phase, said(s.Reason, s.Message))
	case w.Operation.Spec.DryRun:
		n.cause = "a dry run starts nothing"
	case len(w.Freezes) > 0 && reason == opsv1alpha1.ReasonFrozen:
		f := w.Freezes[0]
		n.cause = fmt.Sprintf("cluster %s is not started: Freeze %s holds the fleet: %s", w.Cluster, f.Name, f.Spec.Reason)
		n.advice = "wait for its end, or take it away: vw unfreeze " + f.Name
	case s.Blocked:
		n.cause = fmt.Sprintf("cluster %s is not started: %s", w.Cluster, said(reason, s.Message))
		if !waits(reason) {
			n.State = Broken
		}
	case s.Rollout != nil && s.Rollout.Group != "" && s.Rollout.Group != w.Place.Group:
		n.cause = fmt.Sprintf("cluster %s is not started: its group %s comes after %s, which is at work (%s)", w.Cluster, w.Place.Group, s.Rollout.Group, s.Message)
		n.advice = "wait: vw watch " + w.Operation.Name
	default:
		n.cause = fmt.Sprintf("cluster %s is not started yet: %s", w.Cluster, s.Message)
		n.advice = "wait: vw watch " + w.Operation.Name
	}
}

// work is the ManifestWork on the hub.
func (w *walk) work() {
	if !w.told() {
		return
	}
	n := node{Link: Link{Step: StepWork, Depth: 1, Name: "ManifestWork " + w.Cluster + "/" + w.WorkName}}
	work := w.Work.Object
	switch {
	case work != nil && !work.DeletionTimestamp.IsZero():
		n.State, n.Phase, n.Since, n.Message = w.onTheWay(Waiting), "being deleted", work.DeletionTimestamp, "it is taken back from the cluster"
		n.advice = "wait until the work agent has taken it back; it does not while the cluster is away"
	case work != nil:
		n.State, n.Phase, n.Since = OK, "created", &work.CreationTimestamp
	case !w.Work.Looked:
		n.State, n.Phase, n.Message = Unknown, "not seen", w.Work.Why
	case w.Result.State.Terminal():
		n.State, n.Phase, n.Message = OK, "gone", "its result is kept on the hub"
	default:
		n.State, n.Phase = Broken, "missing"
		n.Message = "the hub has started the cluster, and the ManifestWork is not there"
		n.advice = advise(opsv1alpha1.ReasonDispatchFailed, w.spot())
	}
	if work != nil {
		n.Object = &opsv1alpha1.ResourceRef{APIVersion: workv1.GroupVersion.String(), Kind: "ManifestWork", Namespace: work.Namespace, Name: work.Name, UID: work.UID}
	}
	w.add(n)
}

// phaseState of an Operation, and its phase for people.
func phaseState(s *opsv1alpha1.OperationStatus) (State, string) {
	switch s.Phase {
	case opsv1alpha1.PhaseSucceeded:
		return OK, string(s.Phase)
	case opsv1alpha1.PhaseFailed, opsv1alpha1.PhaseCancelled:
		return Broken, string(s.Phase)
	case opsv1alpha1.PhaseRunning, opsv1alpha1.PhasePending:
		if s.Blocked {
			switch reason := blockedBy(s); {
			case waits(reason):
				return Waiting, "Waiting"
			case reason == opsv1alpha1.ReasonRolloutHalted:
				return Broken, "Halted"
			}
			return Broken, "Blocked"
		}
		if s.FailingSince != nil {
			return Broken, string(s.Phase)
		}
	}
	return OK, string(s.Phase)
}

// blockedBy is what an Operation waits for. One that runs says in its condition what something below it waits for.
func blockedBy(s *opsv1alpha1.OperationStatus) string {
	if c := meta.FindStatusCondition(s.Conditions, opsv1alpha1.ConditionBlocked); c != nil && c.Status == metav1.ConditionTrue {
		return c.Reason
	}
	return s.Reason
}

// movedAt is when a status came to be what it is.
func movedAt(s *opsv1alpha1.OperationStatus) *metav1.Time {
	if n := len(s.History); n > 0 {
		return &s.History[n-1].Time
	}
	return s.StartedAt
}

// said is a reason with its message.
func said(reason, message string) string {
	switch {
	case message == "":
		return reason
	case reason == "":
		return message
	}
	return reason + ": " + message
}

func refOf(kind string, op *opsv1alpha1.Operation) *opsv1alpha1.ResourceRef {
	return &opsv1alpha1.ResourceRef{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: kind, Namespace: op.Namespace, Name: op.Name, UID: op.UID}
}
