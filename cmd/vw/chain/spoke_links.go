// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/velero"
	"vworkspace.io/fleet/placement"
)

// maxInstances that are told of one by one: those that have not succeeded come first.
const maxInstances = 10

// below is what lies on the cluster.
func (w *walk) below() {
	switch {
	case w.Below == nil:
		w.byFeedback()
		return
	case w.Cluster == "": // the Operation that was asked about is on this cluster
		w.instances(1)
		return
	}
	op := w.Below.Operation
	if op.Object == nil {
		w.missingBelow(op)
		return
	}
	n := w.operationNode(op.Object, StepClusterOperation, 1)
	n.advice = advise(reasonIn(blockedBy(&op.Object.Status), op.Object.Status.Message), w.here(w.Operation.Namespace)) // it is in the agent's own namespace
	n.effect = len(w.Below.Instances) > 0
	w.add(n)
	w.instances(2)
}

// byFeedback is what the hub knows of the cluster's Operation without looking there.
func (w *walk) byFeedback() {
	r := w.Result
	if w.Cluster == "" || r.State == "" || w.gaveUp() || !w.answered() {
		return
	}
	n := node{Link: Link{Step: StepClusterOperation, Depth: 1, Name: "Operation on " + w.Cluster, Message: said(r.Reason, r.Message), Phase: string(r.State)}}
	reason := reasonIn(r.Reason, r.Message)
	switch {
	case r.State == placement.Failed, r.State == placement.Cancelled:
		n.State = Broken
	case (r.State == placement.Blocked || r.Waiting) && waits(reason):
		n.State = Waiting
	case r.State == placement.Blocked, r.Waiting:
		n.State = Broken
	default:
		n.State = OK
	}
	if r.Waiting {
		n.Phase = "waiting"
	}
	if n.State != OK {
		n.cause = fmt.Sprintf("%s says: %s", w.Cluster, said(r.Reason, r.Message))
		n.advice = "look on the cluster: vw describe op " + w.Operation.Name + " --cluster " + w.Cluster + " --spoke-context NAME"
		if a := advise(reason, w.here(w.Operation.Namespace)); a != "" {
			n.advice = a
		}
	}
	if !r.FinishedAt.IsZero() {
		at := metav1.NewTime(r.FinishedAt)
		n.Since = &at
	}
	w.add(n)
}

// reasonIn is the reason of the instance that a cluster quotes, or the cluster's own: a cluster says SomeFailed, or Expanded, and the message names the cause.
func reasonIn(reason, message string) string {
	if _, known := advices[reason]; known {
		return reason
	}
	first := reason
	at := len(message)
	for known := range advices {
		if i := strings.Index(message, known+":"); i >= 0 && i < at {
			first, at = known, i
		}
	}
	return first
}

// missingBelow is the Operation that is not on the cluster.
func (w *walk) missingBelow(op Seen[opsv1alpha1.Operation]) {
	n := node{Link: Link{Step: StepClusterOperation, Depth: 1, Name: "Operation on " + w.Cluster, State: Unknown, Phase: "not seen", Message: op.Why}}
	switch {
	case !op.Looked:
	case w.ended():
		n.Phase, n.Message = "gone", "its record is gone from the cluster; the hub keeps the result: "+said(w.Result.Reason, w.Result.Message)
		if w.Result.State == placement.Failed && !w.gaveUp() {
			n.State, n.cause = Broken, said(w.Result.Reason, w.Result.Message)
			n.advice = advise(reasonIn(w.Result.Reason, w.Result.Message), w.here(w.Operation.Namespace))
		}
	case w.appliedAt() == nil:
		n.Phase, n.Message = "not there", "it has not been delivered yet"
	default:
		n.Phase, n.Message = "not there", "it was delivered: somebody has deleted it, or this is another cluster"
	}
	w.add(n)
}

// operationNode is the link of an Operation on the cluster.
func (w *walk) operationNode(op *opsv1alpha1.Operation, step Step, depth int) node {
	s := &op.Status
	n := node{Link: Link{
		Step: step, Depth: depth, Name: "Operation " + op.Namespace + "/" + op.Name, Object: refOf("Operation", op),
		Since: movedAt(s), Message: said(s.Reason, s.Message),
	}}
	n.State, n.Phase = phaseState(s)
	n.advice = advise(reasonIn(blockedBy(s), s.Message), w.here(op.Namespace))
	if s.Phase == "" {
		n.Phase, n.Message = "not taken up", "the agent has not come to it"
	}
	if s.FailingSince != nil && n.State == Broken && !s.Phase.Terminal() {
		n.cause = fmt.Sprintf("the agent has got no further for %s: %s", w.ago(s.FailingSince.Time), said(s.Reason, s.Message))
	}
	return n
}

// instances of the cluster, those that have not succeeded first.
func (w *walk) instances(depth int) {
	all := slices.Clone(w.Below.Instances)
	slices.SortStableFunc(all, func(a, b Instance) int { return rank(a.Operation) - rank(b.Operation) })
	for i := range all {
		if i == maxInstances && len(all) > maxInstances+1 {
			w.add(node{Link: Link{Step: StepInstance, Depth: depth, Name: fmt.Sprintf("%d more instances", len(all)-i), State: Unknown, Phase: "left out",
				Message: "name one by --instance"}})
			return
		}
		w.instance(&all[i], depth)
	}
}

// rank puts trouble first.
func rank(op *opsv1alpha1.Operation) int {
	state, _ := phaseState(&op.Status)
	switch {
	case op.Status.Phase == opsv1alpha1.PhaseFailed:
		return 0
	case state == Broken:
		return 1
	case state == Waiting:
		return 2
	case op.Status.Phase == opsv1alpha1.PhaseSucceeded:
		return 4
	}
	return 3
}

func (w *walk) instance(in *Instance, depth int) {
	op := in.Operation
	if op.UID != w.Operation.UID {
		n := w.operationNode(op, StepInstance, depth)
		if op.Spec.TargetRef != nil {
			n.Name = "instance " + op.Namespace + "/" + op.Spec.TargetRef.Name
		}
		n.effect = true
		w.add(n)
		depth++
	}
	w.target(in, depth)
	w.beside(in, depth)
	for i := range in.Made {
		w.made(in, &in.Made[i], depth)
	}
}

// target of an instance Operation, and its namespace, where they are in the way.
func (w *walk) target(in *Instance, depth int) {
	reason := in.Operation.Status.Reason
	if reason == opsv1alpha1.ReasonNamespaceNotGated && in.Namespace.Object != nil &&
		in.Namespace.Object.Labels[appsv1alpha1.LabelNamespaceGate] != appsv1alpha1.NamespaceGated {
		ns := in.Namespace.Object
		w.add(node{Link: Link{Step: StepNamespace, Depth: depth, Name: "Namespace " + ns.Name, State: Broken, Phase: "not gated",
			Object:  &opsv1alpha1.ResourceRef{APIVersion: "v1", Kind: "Namespace", Name: ns.Name, UID: ns.UID},
			Message: fmt.Sprintf("it lacks the label %s=%s", appsv1alpha1.LabelNamespaceGate, appsv1alpha1.NamespaceGated)},
			cause:  fmt.Sprintf("namespace %s is not open to vWorkspace: it lacks the label %s=%s", ns.Name, appsv1alpha1.LabelNamespaceGate, appsv1alpha1.NamespaceGated),
			advice: advise(reason, w.here(ns.Name)),
		})
	}
	name := ""
	if in.Operation.Spec.TargetRef != nil {
		name = in.Operation.Spec.TargetRef.Name
	}
	ai := in.Target.Object
	n := node{Link: Link{Step: StepTarget, Depth: depth, Name: "ApplicationInstance " + name, State: OK}}
	switch {
	case in.Target.Absent():
		n.State, n.Phase = Unknown, "gone"
		if reason == opsv1alpha1.ReasonTargetNotFound {
			n.State, n.Message, n.advice = Broken, "it does not exist in namespace "+in.Operation.Namespace, advise(reason, w.here(in.Operation.Namespace))
		}
	case ai == nil:
		return
	default:
		n.Object = &opsv1alpha1.ResourceRef{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance", Namespace: ai.Namespace, Name: ai.Name, UID: ai.UID}
		w.ready(&n, in)
	}
	w.add(n)
}

// ready tells of an ApplicationInstance whether it is Ready; that it is not is in the way only of what waits for it.
func (w *walk) ready(n *node, in *Instance) {
	ai := in.Target.Object
	c := meta.FindStatusCondition(ai.Status.Conditions, appsv1alpha1.ConditionReady)
	switch {
	case c == nil:
		n.State, n.Phase = Unknown, "not reported"
	case c.Status == metav1.ConditionTrue:
		n.Phase, n.Since = "Ready", &c.LastTransitionTime
	default:
		n.State, n.Phase, n.Since, n.Message = Unknown, "not Ready", &c.LastTransitionTime, said(c.Reason, c.Message)
	}
	if in.Operation.Status.Reason == opsv1alpha1.ReasonTargetNotReady && !in.Operation.Status.Phase.Terminal() && n.Phase != "Ready" {
		n.State = Broken
		n.cause = fmt.Sprintf("ApplicationInstance %s/%s is %s: %s", ai.Namespace, ai.Name, n.Phase, n.Message)
		n.advice = strings.ReplaceAll(advise(opsv1alpha1.ReasonTargetNotReady, w.here(ai.Namespace)), "NAME", ai.Name)
	}
}

// storageReasons are those of an Operation that waits for where Velero keeps its backups.
var storageReasons = []string{velero.ReasonLocationUnavailable, velero.ReasonLocationNotFound, velero.ReasonLocationReadOnly}
