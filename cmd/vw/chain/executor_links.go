// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/helm"
)

// workflow is a Workflow, with the steps that its pods ran.
func (w *walk) workflow(n *node, wf *wfv1.Workflow) {
	n.Phase, n.Message = string(wf.Status.Phase), engines.Redact(wf.Status.Message)
	if !wf.Status.StartedAt.IsZero() {
		n.Since = &wf.Status.StartedAt
	}
	if n.Phase == "" {
		n.State, n.Phase = Broken, "not taken up"
		n.cause = fmt.Sprintf("Argo's controller has not taken up Workflow %s/%s", wf.Namespace, wf.Name)
		n.advice = "is Argo's controller running there? kubectl -n argo get pods"
		return
	}
	steps := Steps(wf)
	for _, s := range steps {
		if s.Type == wfv1.NodeTypeSuspend && s.Phase == wfv1.NodeRunning {
			n.State, n.Phase = Waiting, "suspended"
			n.cause = fmt.Sprintf("Workflow %s/%s waits at step %s for a person", wf.Namespace, wf.Name, s.DisplayName)
			n.advice = fmt.Sprintf("argo resume %s -n %s", wf.Name, wf.Namespace)
		}
	}
	if !wf.Status.Failed() && wf.Status.Phase != wfv1.WorkflowError {
		return
	}
	n.State = Broken
	if !wf.Status.FinishedAt.IsZero() {
		n.Since = &wf.Status.FinishedAt
	}
	for _, s := range steps {
		if s.FailedOrError() {
			message := cmp.Or(engines.Redact(strings.TrimSpace(s.Message)), "Argo does not say why")
			n.Message = fmt.Sprintf("step %s: %s", s.DisplayName, message)
			n.cause = fmt.Sprintf("step %s of Workflow %s/%s failed: %s", s.DisplayName, wf.Namespace, wf.Name, message)
			break
		}
	}
	n.advice = fmt.Sprintf("%s; argo get %s -n %s", w.logs(), wf.Name, wf.Namespace)
}

// Steps of a Workflow that did something, in the order in which they began.
func Steps(wf *wfv1.Workflow) []wfv1.NodeStatus {
	var all []wfv1.NodeStatus
	for _, n := range wf.Status.Nodes {
		if n.Type == wfv1.NodeTypePod || n.Type == wfv1.NodeTypeSuspend || n.Type == wfv1.NodeTypeHTTP || n.Type == wfv1.NodeTypeContainer ||
			n.Type == wfv1.NodeTypeSkipped && n.FailedOrError() {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b wfv1.NodeStatus) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt.Time), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// release is a HelmRelease.
func (w *walk) release(n *node, hr *helmv2.HelmRelease) {
	flux := fmt.Sprintf("flux -n %s get helmrelease %s", hr.Namespace, hr.Name)
	if hr.Spec.Suspend {
		n.State, n.Phase = Broken, "suspended"
		n.cause = fmt.Sprintf("HelmRelease %s/%s is suspended, so Flux does nothing", hr.Namespace, hr.Name)
		n.advice = fmt.Sprintf("flux -n %s resume helmrelease %s", hr.Namespace, hr.Name)
		return
	}
	if stalled := meta.FindStatusCondition(hr.Status.Conditions, "Stalled"); stalled != nil && stalled.Status == metav1.ConditionTrue {
		n.State, n.Phase, n.Since, n.Message = Broken, "Stalled", &stalled.LastTransitionTime, said(stalled.Reason, stalled.Message)
		n.cause = fmt.Sprintf("Flux has given up on HelmRelease %s/%s: %s", hr.Namespace, hr.Name, w.releaseFailure(hr, n.Message))
		n.advice = "mend what it says, then ask again; " + flux
		return
	}
	ready := meta.FindStatusCondition(hr.Status.Conditions, "Ready")
	switch {
	case ready == nil:
		n.Phase, n.Message = "not reported", "Flux has not looked at it yet"
	case ready.Status == metav1.ConditionTrue:
		n.Phase, n.Since, n.Message = "Ready", &ready.LastTransitionTime, ready.Message
	case ready.Status == metav1.ConditionFalse:
		n.State, n.Phase, n.Since, n.Message = Broken, "not Ready", &ready.LastTransitionTime, said(ready.Reason, ready.Message)
		n.cause = fmt.Sprintf("HelmRelease %s/%s is not Ready: %s", hr.Namespace, hr.Name, w.releaseFailure(hr, n.Message))
		n.advice = "mend the chart, its version or its values; " + flux + "; " + w.logs()
	default:
		n.Phase, n.Since, n.Message = "working", &ready.LastTransitionTime, ready.Message
	}
}

// chartReasons are of a release whose chart is the trouble: the HelmRelease itself says no more than that it waits for its source.
var chartReasons = []string{helm.ReasonChartNotFound, helm.ReasonChartUnavailable, helm.ReasonChartInvalid}

// chart says of a release what the run has found out of its chart.
func (w *walk) chart(n *node, in *Instance) {
	if s := &in.Operation.Status; n.State == Broken && slices.Contains(chartReasons, s.Reason) {
		n.cause = said(s.Reason, s.Message)
		n.advice = cmp.Or(advise(s.Reason, w.here(in.Operation.Namespace)), n.advice)
	}
}

// releaseFailure is what Helm said, where Flux says no more than that it gave up.
func (w *walk) releaseFailure(hr *helmv2.HelmRelease, message string) string {
	if c := meta.FindStatusCondition(hr.Status.Conditions, "Released"); c != nil && c.Status == metav1.ConditionFalse && !strings.Contains(message, c.Message) {
		return c.Message + " (" + message + ")"
	}
	return message
}

// replication is VolSync's: what its mover said, and what keeps it from moving.
func (w *walk) replication(n *node, mover *volsyncv1alpha1.MoverStatus, conditions []metav1.Condition, synced *metav1.Time, paused bool) {
	n.Phase = "synchronizing"
	if synced != nil {
		n.Phase, n.Since = "synchronized", synced
	}
	if c := meta.FindStatusCondition(conditions, volsyncv1alpha1.ConditionSynchronizing); c != nil {
		n.Message = said(c.Reason, c.Message)
		if n.Since == nil {
			n.Since = &c.LastTransitionTime
		}
		if c.Reason == volsyncv1alpha1.SynchronizingReasonError {
			n.State, n.Phase = Broken, "error"
			n.cause = fmt.Sprintf("VolSync cannot go on with %s: %s", n.Name, c.Message)
			n.advice = "mend what it says; it goes on by itself"
		}
	}
	switch {
	case paused:
		n.State, n.Phase = Broken, "paused"
		n.cause = fmt.Sprintf("%s is paused: its spec.paused is set", n.Name)
		n.advice = "set its spec.paused to false"
	case mover != nil && mover.Result == volsyncv1alpha1.MoverResultFailed:
		n.State, n.Phase, n.effect = Broken, "mover failed", true
		n.Message = engines.Redact(lastLine(mover.Logs))
		n.cause = fmt.Sprintf("the mover of %s failed: %s", n.Name, n.Message)
		n.advice = "check the repository's Secret and that the storage answers; " + w.logs()
	}
}

// lastLine of a log that says something.
func lastLine(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
