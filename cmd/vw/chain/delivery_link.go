// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// manifestConditions of the one manifest in the work.
func (w *walk) manifestConditions() []metav1.Condition {
	if work := w.Work.Object; work != nil && len(work.Status.ResourceStatus.Manifests) > 0 {
		return work.Status.ResourceStatus.Manifests[0].Conditions
	}
	return nil
}

// appliedAt is when the work was applied on the cluster; nil when it was not, or nobody knows.
func (w *walk) appliedAt() *metav1.Time {
	if c := meta.FindStatusCondition(w.manifestConditions(), workv1.ManifestApplied); c != nil && c.Status == metav1.ConditionTrue {
		return &c.LastTransitionTime
	}
	return nil
}

// arrived tells whether it is on the cluster.
func (w *walk) arrived() bool {
	return w.appliedAt() != nil || w.Below != nil && w.Below.Operation.Object != nil || w.Result.State.Terminal() && !w.gaveUp()
}

// answered tells whether the cluster has reported a phase.
func (w *walk) answered() bool {
	work := w.Work.Object
	if work == nil || len(work.Status.ResourceStatus.Manifests) == 0 {
		return w.Result.State != "" && w.Result.Reason != opsv1alpha1.ReasonNotYetReported && !w.gaveUp()
	}
	for _, v := range work.Status.ResourceStatus.Manifests[0].StatusFeedbacks.Values {
		if v.Name == "phase" && v.Value.String != nil && *v.Value.String != "" {
			return true
		}
	}
	return false
}

// delivery is the ManifestWork on the cluster: applied, there, and reported about.
func (w *walk) delivery() {
	if !w.told() {
		return
	}
	n := node{Link: Link{Step: StepDelivery, Depth: 1, Name: "delivery", State: OK, Phase: "applied", Since: w.appliedAt()}}
	applied := meta.FindStatusCondition(w.manifestConditions(), workv1.ManifestApplied)
	switch {
	case w.Work.Object == nil:
		w.workless(&n)
	case applied != nil && applied.Status == metav1.ConditionFalse:
		w.refused(&n, applied)
	case applied == nil:
		w.unapplied(&n)
	case w.lost():
		n.State, n.Phase, n.Message = Broken, "lost", "it was applied, and is not on the cluster any more"
		n.cause = fmt.Sprintf("the Operation was deleted on %s before it had ended; it is not run again", w.Cluster)
		n.advice = advise(opsv1alpha1.ReasonResultLost, w.here(w.Operation.Namespace))
	case w.answered():
		n.Message = w.heard()
	default:
		n.Message = "nothing has been reported from there yet"
		w.unheard(&n)
	}
	w.add(n)
}

// lost tells whether the work agent does not find what has reported before and has not ended.
func (w *walk) lost() bool {
	return meta.IsStatusConditionFalse(w.manifestConditions(), workv1.ManifestAvailable) && w.answered() && !w.Result.State.Terminal()
}

// workless is a delivery of which there is no work any more, or none to be seen.
func (w *walk) workless(n *node) {
	switch {
	case w.Result.State.Terminal() && !w.gaveUp():
		n.Phase, n.Message = "over", "the cluster has answered, and the hub keeps its result"
	case w.Work.Looked && w.gaveUp():
		n.State, n.Phase, n.Message = Unknown, "taken back", "the hub gave up on the cluster, and took back what it had sent"
	case w.Work.Looked:
		n.State, n.Phase = Unknown, "not reached"
	case w.answered():
		n.Phase, n.Message = "answered", "the hub has heard of it"
	default:
		n.State, n.Phase = Unknown, "not seen"
	}
}

// unheard is a run that the cluster knows of and the hub does not, although it was applied.
func (w *walk) unheard(n *node) {
	if b := w.Below; b != nil && b.Operation.Object != nil && b.Operation.Object.Status.Phase != "" {
		n.State, n.Phase = w.onTheWay(Broken), "unheard"
		n.cause = fmt.Sprintf("the Operation is %s on %s, and its work agent does not report that", b.Operation.Object.Status.Phase, w.Cluster)
		n.advice = fmt.Sprintf("look at the log of the klusterlet's agent on %s (kubectl -n %s get pods); vw doctor counts its watches", w.Cluster, HubAgentNamespace)
	}
}

// refused is a work that the agent could not apply.
func (w *walk) refused(n *node, applied *metav1.Condition) {
	n.State, n.Phase, n.Since, n.Message = w.onTheWay(Broken), "not applied", &applied.LastTransitionTime, said(applied.Reason, applied.Message)
	n.cause = fmt.Sprintf("the work agent of %s could not apply it: %s", w.Cluster, said(applied.Reason, applied.Message))
	switch m := applied.Message; {
	case strings.Contains(m, "forbidden") || strings.Contains(m, "not allowed"):
		n.advice = fmt.Sprintf("the executor lacks a right on %s: apply deploy/spoke/executors.yaml there again (ServiceAccount %s/%s)",
			w.Cluster, opsv1alpha1.DefaultAgentNamespace, opsv1alpha1.OperationExecutor)
	case strings.Contains(m, "no matches for kind") || strings.Contains(m, "could not find the requested resource") || strings.Contains(m, "NotFound"):
		n.advice = fmt.Sprintf("vWorkspace is not installed on %s, or in an older version: docs/how-to/install.md", w.Cluster)
	default:
		n.advice = fmt.Sprintf("mend what it says on %s; the work agent tries again by itself", w.Cluster)
	}
}

// unapplied is a work that the agent has not come to.
func (w *walk) unapplied(n *node) {
	n.State, n.Phase, n.Message = w.onTheWay(Waiting), "not applied yet", "the work agent has not come to it"
	n.cause = fmt.Sprintf("the work agent of %s has not applied it yet", w.Cluster)
	n.advice = "wait a moment"
	if created := w.Work.Object.CreationTimestamp.Time; w.Now.Sub(created) >= patience {
		n.State = w.onTheWay(Broken)
		n.cause = fmt.Sprintf("the work agent of %s has not applied it for %s", w.Cluster, w.ago(created))
		n.advice = fmt.Sprintf("on %s: kubectl -n %s get pods, and the log of the klusterlet's agent", w.Cluster, HubAgentNamespace)
	}
}

// heard is what the cluster reported.
func (w *walk) heard() string {
	text := "reported " + string(w.Result.State)
	if !w.Result.State.Terminal() && w.Result.Instances.Total > 0 {
		text += fmt.Sprintf(", %d of %d instances done", w.Result.Instances.Done(), w.Result.Instances.Total)
	}
	if c := meta.FindStatusCondition(w.manifestConditions(), "StatusFeedbackSynced"); c != nil && c.Status == metav1.ConditionFalse {
		return text + ", and its feedback has trouble: " + c.Message
	}
	return text
}
