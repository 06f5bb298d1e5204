// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Overview is an Operation as a whole, for people. It is the document of `vw describe op`; fields are added, and none goes away.
type Overview struct {
	// Namespace and Name of the Operation.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Type of it, such as Backup; Engine where one is named; Template that it follows.
	Type     string `json:"type"`
	Engine   string `json:"engine,omitempty"`
	Template string `json:"template,omitempty"`
	// RequestedBy is the user who asked, OnBehalfOf for whom the hub did, and Job the job of a control plane that asked.
	RequestedBy string `json:"requestedBy,omitempty"`
	OnBehalfOf  string `json:"onBehalfOf,omitempty"`
	Job         string `json:"job,omitempty"`
	// ApprovedBy is who agreed.
	ApprovedBy string `json:"approvedBy,omitempty"`
	// Targets for people: which clusters and which instances.
	Targets string `json:"targets"`
	// Created, StartedAt, FinishedAt and ExpectedEnd are its times.
	Created     metav1.Time  `json:"created"`
	StartedAt   *metav1.Time `json:"startedAt,omitempty"`
	FinishedAt  *metav1.Time `json:"finishedAt,omitempty"`
	ExpectedEnd *metav1.Time `json:"expectedEnd,omitempty"`
	// Phase, Reason and Message of its status, and State what to think of them.
	Phase   string `json:"phase"`
	State   State  `json:"state"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Rollout for people: its strategy.
	Rollout string `json:"rollout,omitempty"`
	// Clusters and Instances by state.
	Clusters  *opsv1alpha1.Counts `json:"clusters,omitempty"`
	Instances *opsv1alpha1.Counts `json:"instances,omitempty"`
	// Groups that have begun.
	Groups []opsv1alpha1.GroupStatus `json:"groups,omitempty"`
	// Failures with their causes, the first 20.
	Failures []opsv1alpha1.Failure `json:"failures,omitempty"`
	// Conditions that it has.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// History of it, oldest first.
	History []opsv1alpha1.Transition `json:"history,omitempty"`
	// RolledBackBy is the Operation that puts back what this one changed.
	RolledBackBy string `json:"rolledBackBy,omitempty"`
	// Next is what to do.
	Next string `json:"next,omitempty"`
	// Chain to where it happens, where there is but one: on a cluster alone, and for a fleet of one.
	Chain *Chain `json:"chain,omitempty"`
}

// NewOverview of an Operation.
func NewOverview(op *opsv1alpha1.Operation, now time.Time) Overview {
	s := &op.Status
	state, phase := phaseState(s)
	o := Overview{
		Namespace: op.Namespace, Name: op.Name, Type: string(op.Spec.Type), Engine: string(op.Spec.Engine),
		RequestedBy: op.Annotations[opsv1alpha1.AnnotationRequestedBy], OnBehalfOf: op.Annotations[opsv1alpha1.AnnotationOnBehalfOf],
		Job: op.Annotations[opsv1alpha1.AnnotationJob], Targets: targets(op),
		Created: op.CreationTimestamp, StartedAt: s.StartedAt, FinishedAt: s.FinishedAt,
		Phase: phase, State: state, Reason: s.Reason, Message: s.Message, Rollout: strategy(op), Failures: s.Failures,
		Conditions: s.Conditions, History: s.History, RolledBackBy: s.RolledBackBy,
	}
	if s.Engine != "" {
		o.Engine = string(s.Engine)
	}
	switch {
	case s.Template != nil:
		o.Template = s.Template.Name
	case op.Spec.TemplateRef != nil:
		o.Template = op.Spec.TemplateRef.Name
	}
	if s.Approval != nil {
		o.ApprovedBy = s.Approval.By
	}
	if s.Summary != nil {
		o.Clusters, o.Instances = s.Summary.Clusters, s.Summary.Instances
	}
	if s.Rollout != nil {
		o.Groups, o.ExpectedEnd = s.Rollout.ByGroup, s.Rollout.ExpectedEnd
	}
	o.Next = next(op, now)
	return o
}

// targets of an Operation, for people.
func targets(op *opsv1alpha1.Operation) string {
	what := "every instance that is open to it"
	switch spec := &op.Spec; {
	case spec.TargetRef != nil:
		what = "instance " + spec.TargetRef.Name
	case spec.Selector != nil && spec.Selector.LabelSelector != nil:
		what = "instances labelled " + metav1.FormatLabelSelector(spec.Selector.LabelSelector)
	case spec.Selector != nil && len(spec.Selector.Names) > 0:
		what = "instances " + listed(spec.Selector.Names)
	}
	if s := op.Spec.Selector; s != nil && len(s.Namespaces) > 0 {
		what += " in " + listed(s.Namespaces)
	}
	if p := op.Spec.Placement; p != nil {
		what += ", on the clusters of Placement " + p.PlacementRef.Name
		if op.Status.Plan != nil {
			what += fmt.Sprintf(" (%d planned)", op.Status.Plan.Clusters)
		}
	}
	return what
}

// strategy of a rollout, for people.
func strategy(op *opsv1alpha1.Operation) string {
	r := op.Spec.Rollout
	if r == nil {
		return ""
	}
	text := string(r.Type)
	switch {
	case r.Progressive != nil && r.Progressive.MaxConcurrency.String() != "0":
		text += fmt.Sprintf(", %s clusters at a time", r.Progressive.MaxConcurrency.String())
	case r.ProgressivePerGroup != nil:
		text += ", group after group"
	}
	if r.Gate == opsv1alpha1.GatePerGroup {
		text += ", each group approved"
	}
	return text
}

// next is what to do about an Operation.
func next(op *opsv1alpha1.Operation, now time.Time) string {
	s := &op.Status
	switch {
	case s.Phase == "" && now.Sub(op.CreationTimestamp.Time) < patience:
		return "wait a moment"
	case s.Phase == "":
		return "nothing has taken it up: is the hub, or on a cluster alone its agent, running there? vw doctor"
	case s.RolledBackBy != "":
		return "what it changed is put back: vw describe op " + s.RolledBackBy
	case s.Phase.Terminal():
		return afterwards(op)
	}
	if state, _ := phaseState(s); state != OK {
		if a := advise(blockedBy(s), spot{namespace: op.Namespace, fleet: op.Name, logs: "vw logs op " + op.Name}); a != "" {
			return a
		}
		return lookCloser(op)
	}
	if len(s.Failures) > 0 {
		return lookCloser(op)
	}
	return "watch it: vw watch " + op.Name
}

// afterwards is what to do about an Operation that has ended.
func afterwards(op *opsv1alpha1.Operation) string {
	s := &op.Status
	switch {
	case s.Phase != opsv1alpha1.PhaseFailed:
		return ""
	case s.Plan != nil && len(s.Failures) > 0:
		return lookCloser(op) + "; then mend it, and vw retry " + op.Name + " --failed"
	}
	return advise(s.Reason, spot{namespace: op.Namespace, fleet: op.Name, logs: "vw logs op " + op.Name})
}

// lookCloser at the first cluster that failed.
func lookCloser(op *opsv1alpha1.Operation) string {
	look := "see why: vw describe op " + op.Name
	if len(op.Status.Failures) > 0 && op.Status.Plan != nil {
		look += " --cluster " + op.Status.Failures[0].Name
	}
	return look
}
