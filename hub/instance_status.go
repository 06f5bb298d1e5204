// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

// step is what an instance's ManifestWork needs.
type step string

const (
	stepNothing step = "nothing" // the spoke has what the hub wants
	stepSend    step = "send"    // another manifest
	stepNote    step = "note"    // the work says that it satisfies a newer generation; the manifest stays
	stepTake    step = "take"    // the hub takes the spoke's version over
)

// deliver decides what is to be done about a ManifestWork, from what the hub wants (want, of the instance as it is now), what it last
// sent, whether the version that it wants is one that it took over, and what the spoke reports.
//
// An Upgrade that ran on the spoke moved the version there, and left the version before in an annotation. The hub takes the new one over
// when the spoke runs it and all of this was seen on an object that carries the hub's latest manifest: then what differs has come after
// the hub's own last word. What was taken over need not be sent, whatever the spoke reports by then: it may
// be in the middle of the next Upgrade, and a manifest would put that back. A person who has asked for a version since then has the last word:
// one that was taken over and set back by hand is sent.
func deliver(want, sent delivery, taken bool, f feedback) step {
	current := f.string(feedbackHubGeneration) == strconv.FormatInt(sent.Manifest, 10)
	sameContent, sameVersion := want.Content == sent.Content, want.Version == sent.Version
	untouched := sameContent && sameVersion && want.Generation == sent.Generation
	switch {
	case sameVersion && (untouched || !sameContent) && current && upgradedTo(want.Version, f) != "":
		return stepTake
	case untouched:
		return stepNothing
	case sameContent && (taken || satisfied(want.Version, sent.Version, current, f)):
		return stepNote
	default:
		return stepSend
	}
}

// satisfied tells whether the spoke has the version that the hub wants without being sent anything: because it never had another, or
// because an Upgrade brought it there.
func satisfied(want, sent string, current bool, f feedback) bool {
	theirs := f.string(feedbackWantedVersion)
	if want == sent {
		return theirs == "" || theirs == want
	}
	return current && theirs == want && f.string(feedbackUpgradedFrom) != ""
}

// upgradedTo is the version other than from that an Upgrade on the spoke has brought to run there, or "".
//
// While a further Upgrade is on its way, or has failed and was rolled back, that is the version which that one started from: two Upgrades may
// run between two reports, so that nothing else tells of the first. What runs for another reason is not taken: after the hub's last word, the
// version from before it may still run.
func upgradedTo(from string, f feedback) string {
	wanted, before, running := f.string(feedbackWantedVersion), f.string(feedbackUpgradedFrom), f.string(feedbackRunningVersion)
	switch {
	case from == "" || wanted == "" || wanted == from || before == "" || running == from:
		return ""
	case running == wanted && f.string(feedbackReady) == string(metav1.ConditionTrue), running == before:
		return running
	}
	return ""
}

// mirror writes what the spoke reports into the status of the hub's instance. work is nil while there is none in the cache.
//
// observedGeneration is the hub's: it moves when the spoke has applied the manifest of that generation and its controller has seen it.
func mirror(ai *appsv1alpha1.ApplicationInstance, work *workv1.ManifestWork, now time.Time) {
	m := mirrored{ai: ai, now: now}
	if work == nil || len(work.Status.Conditions) == 0 {
		m.ready(metav1.ConditionUnknown, appsv1alpha1.ReasonNotYetReported, "sent; the cluster has not reported anything yet")
		return
	}
	f, sent := feedbackOf(work), deliveryOf(work)
	if why := f.applyError(); why != "" {
		m.ready(metav1.ConditionFalse, appsv1alpha1.ReasonNotApplied, why)
		return
	}
	if c := f.condition(workv1.ManifestAvailable); c != nil && c.Status == metav1.ConditionFalse {
		m.ready(metav1.ConditionUnknown, appsv1alpha1.ReasonNotYetReported, "the instance is missing on the cluster; its work agent puts it back")
		return
	}
	status := metav1.ConditionStatus(f.string(feedbackReady))
	if status == "" {
		m.ready(metav1.ConditionUnknown, appsv1alpha1.ReasonNotYetReported, "delivered; the cluster's agent has not reported anything yet")
		return
	}
	if f.string(feedbackHubGeneration) == strconv.FormatInt(sent.Manifest, 10) && f.int(feedbackObserved) == f.int(feedbackGeneration) {
		ai.Status.ObservedGeneration = sent.Generation
	}
	if name, version := f.string(feedbackRunningName), f.string(feedbackRunningVersion); name != "" && version != "" {
		running := appsv1alpha1.ChartSnapshot{Name: name, Version: version}
		if c := ai.Spec.Chart; c != nil && c.Name == name {
			running.SourceType, running.URL = c.SourceType, c.URL
		}
		ai.Status.LastAppliedChart = &running
	}
	reason := f.string(feedbackReadyReason)
	if reason == "" {
		reason = "Reported"
	}
	m.ready(status, reason, f.string(feedbackReadyMessage))
}

// mirrored is an instance whose status is being written.
type mirrored struct {
	ai  *appsv1alpha1.ApplicationInstance
	now time.Time
}

func (m mirrored) ready(status metav1.ConditionStatus, reason, message string) {
	s := &m.ai.Status
	m.set(appsv1alpha1.ConditionReady, status, reason, message)
	s.Ready, s.ReadyReason, s.ReadyMessage = status, reason, truncateMessage(message)
}

// block says that nothing is done until somebody acts.
func (m mirrored) block(reason, message string) {
	m.set(appsv1alpha1.ConditionBlocked, metav1.ConditionTrue, reason, message)
}

// unblock removes what block set: the condition is absent unless it is True.
func (m mirrored) unblock() {
	meta.RemoveStatusCondition(&m.ai.Status.Conditions, appsv1alpha1.ConditionBlocked)
}

func (m mirrored) set(kind string, status metav1.ConditionStatus, reason, message string) {
	observed := m.ai.Status.ObservedGeneration
	if kind != appsv1alpha1.ConditionReady {
		observed = m.ai.Generation
	}
	meta.SetStatusCondition(&m.ai.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: truncateMessage(message),
		ObservedGeneration: observed, LastTransitionTime: metav1.NewTime(m.now.Truncate(time.Second)),
	})
}
