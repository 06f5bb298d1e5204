// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"slices"
	"strings"
	"time"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

type event = wire.Event

// view is an Operation, and where it runs when that is one cluster.
type view struct {
	*opsv1alpha1.Operation
	cluster string
}

// event about the Operation.
func (v view) event(eventKey, kind string, at time.Time, sequence int64) event {
	return event{
		EventKey: eventKey, Kind: kind, ResourceRef: operationRef(v.Operation), Timestamp: at.UTC(), Sequence: sequence, Cluster: v.cluster, Audit: v.audit(),
	}
}

// held tells whether the Operation waits for its end to be told.
func (v view) held() bool { return slices.Contains(v.Finalizers, opsv1alpha1.ReportFinalizer) }

// leaves tells whether the Operation is being deleted and nothing can happen to it any more.
func (v view) leaves() bool {
	return !v.DeletionTimestamp.IsZero() && !slices.Contains(v.Finalizers, opsv1alpha1.OperationFinalizer)
}

// audit says who asked for the Operation, and what has become of it so far.
func (v view) audit() *wire.Audit {
	a := &wire.Audit{RequestedBy: v.Annotations[opsv1alpha1.AnnotationRequestedBy], Action: string(v.Spec.Type), Target: v.target()}
	if strings.HasPrefix(a.RequestedBy, accountPrefix) { // a program may ask for somebody; a person, who might write anybody there, asks for himself
		a.OnBehalfOf, a.Job = v.Annotations[opsv1alpha1.AnnotationOnBehalfOf], v.Annotations[opsv1alpha1.AnnotationJob]
	}
	s := &v.Status
	a.Engine, a.Progress = string(v.Spec.Engine), s.Progress
	if a.Engine == "" {
		a.Engine = string(s.Engine)
	}
	if s.Template != nil {
		a.Template = s.Template.Name
	} else if v.Spec.TemplateRef != nil {
		a.Template = v.Spec.TemplateRef.Name
	}
	if s.Approval != nil {
		a.ApprovedBy = s.Approval.By
	}
	if s.Summary != nil && s.Summary.Clusters != nil {
		a.Failed = s.Summary.Clusters.Failed
	}
	for _, f := range s.Failures[:min(len(s.Failures), auditFailures)] {
		cause := f.Message
		if cause == "" {
			cause = f.Reason
		}
		a.Failures = append(a.Failures, f.Name+": "+opsv1alpha1.Truncate(cause, auditCause))
	}
	return a
}

// accountPrefix begins the user names of ServiceAccounts.
const accountPrefix = "system:serviceaccount:"

const (
	// auditFailures is how many failures an event tells of, of as many bytes each as auditCause: every event has them.
	auditFailures = 3
	auditCause    = 256
)

// target of the Operation, by kind and name.
func (v view) target() string {
	switch {
	case v.Spec.Placement != nil:
		return "Placement/" + v.Spec.Placement.PlacementRef.Name
	case v.Spec.TargetRef != nil:
		return "ApplicationInstance/" + v.Spec.TargetRef.Name
	default:
		return ""
	}
}

// clusterOf an ApplicationInstance; empty when it is delivered to none.
func clusterOf(ai *appsv1alpha1.ApplicationInstance) string {
	if ai.Status.Cluster != "" {
		return ai.Status.Cluster
	}
	return ai.Labels[appsv1alpha1.LabelClusterID]
}
