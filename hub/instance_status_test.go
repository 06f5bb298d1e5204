// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

// spoke is what the work agent reads on the spoke.
type spoke struct {
	ready, reason, message string
	wanted, running        string
	upgradedFrom           string
	hubGeneration          string
	generation, observed   int64
}

func (s spoke) values() []workv1.FeedbackValue {
	var values []workv1.FeedbackValue
	for name, v := range map[string]string{
		feedbackReady: s.ready, feedbackReadyReason: s.reason, feedbackReadyMessage: s.message, feedbackWantedVersion: s.wanted,
		feedbackRunningVersion: s.running, feedbackUpgradedFrom: s.upgradedFrom, feedbackHubGeneration: s.hubGeneration,
	} {
		if v != "" {
			values = append(values, workv1.FeedbackValue{Name: name, Value: workv1.FieldValue{Type: workv1.String, String: ptr.To(v)}})
		}
	}
	if s.running != "" {
		values = append(values, workv1.FeedbackValue{Name: feedbackRunningName, Value: workv1.FieldValue{Type: workv1.String, String: ptr.To("shop")}})
	}
	for name, v := range map[string]int64{feedbackGeneration: s.generation, feedbackObserved: s.observed} {
		values = append(values, workv1.FeedbackValue{Name: name, Value: workv1.FieldValue{Type: workv1.Integer, Integer: ptr.To(v)}})
	}
	return values
}

func TestDeliver(t *testing.T) {
	sent := delivery{Manifest: 1, Generation: 1, Version: "1.0.0", Content: "a"}
	steady := spoke{ready: "True", wanted: "1.0.0", running: "1.0.0", hubGeneration: "1"}
	moved := spoke{ready: "True", wanted: "1.1.0", running: "1.1.0", upgradedFrom: "1.0.0", hubGeneration: "1"}
	with := func(s spoke, change func(*spoke)) spoke { change(&s); return s }
	for _, tc := range []struct {
		name  string
		want  delivery
		spoke spoke
		step  step
	}{
		{"all is as it should be", sent, steady, stepNothing},
		{"nothing reported yet", sent, spoke{}, stepNothing},
		{"edited on the hub", delivery{Generation: 2, Version: "1.0.0", Content: "b"}, steady, stepSend},
		{"another version on the hub", delivery{Generation: 2, Version: "2.0.0", Content: "a"}, steady, stepSend},
		{"edited and edited back", delivery{Generation: 3, Version: "1.0.0", Content: "a"}, steady, stepNote},
		{"upgraded on the spoke", sent, moved, stepTake},
		{"upgrade still going on", sent, with(moved, func(s *spoke) { s.running = "1.0.0" }), stepNothing},
		{"upgrade failed", sent, with(moved, func(s *spoke) { s.ready = "False" }), stepNothing},
		{"version edited on the spoke by hand", sent, with(moved, func(s *spoke) { s.upgradedFrom = "" }), stepNothing},
		{"upgraded twice between two reports", sent, with(moved, func(s *spoke) { s.upgradedFrom = "1.0.5" }), stepTake},
		{"upgraded twice between two reports, the second time in vain", sent, with(moved, func(s *spoke) {
			s.ready, s.wanted, s.upgradedFrom = "False", "1.2.0", "1.1.0"
		}), stepTake},
		{"upgraded on top of an order of the hub that never ran", sent, with(moved, func(s *spoke) {
			s.ready, s.wanted, s.running, s.upgradedFrom = "False", "1.2.0", "0.9.0", "1.0.0"
		}), stepNothing},
		{"upgraded, and edited on the hub", delivery{Generation: 2, Version: "1.0.0", Content: "b"}, moved, stepTake},
		{"upgraded, and another version on the hub", delivery{Generation: 2, Version: "2.0.0", Content: "a"}, moved, stepSend},
		{"taken over: nothing to send", delivery{Generation: 2, Version: "1.1.0", Content: "a"}, moved, stepNote},
		{"taken over, and edited since", delivery{Generation: 3, Version: "1.1.0", Content: "b"}, moved, stepSend},
		{"the spoke still has an older manifest", sent, with(moved, func(s *spoke) { s.hubGeneration = "0" }), stepNothing},
		{"set back by hand before the take-over was noted", delivery{Generation: 3, Version: "1.0.0", Content: "a"}, moved, stepSend},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := deliver(tc.want, sent, false, feedback{values: tc.spoke.values()}); got != tc.step {
				t.Errorf("%s, want %s", got, tc.step)
			}
		})
	}
	// What was taken over is never sent, also when the spoke is in the middle of the next Upgrade by the time that this is noted.
	next := with(moved, func(s *spoke) { s.wanted, s.upgradedFrom, s.ready = "1.2.0", "1.1.0", "Unknown" })
	if got := deliver(delivery{Generation: 2, Version: "1.1.0", Content: "a"}, sent, true, feedback{values: next.values()}); got != stepNote {
		t.Errorf("taken over, and upgraded again: %s", got)
	}
	if got := upgradedTo("1.0.0", feedback{values: next.values()}); got != "1.1.0" {
		t.Errorf("in the middle of a second upgrade: took over %q, want what runs", got)
	}
	if takenOver("1.1.0", 1) == takenOver("1.1.0", 2) || takenOver("1.1.0", 1) == takenOver("1.0.0", 1) {
		t.Error("the mark must tell versions and manifests apart")
	}
	// After a take-over was noted, setting the version back is an order like any other.
	noted := delivery{Manifest: 1, Generation: 2, Version: "1.1.0", Content: "a"}
	if got := deliver(delivery{Generation: 3, Version: "1.0.0", Content: "a"}, noted, false, feedback{values: moved.values()}); got != stepSend {
		t.Errorf("set back by hand: %s", got)
	}
	// And until the spoke has applied that order, its old report takes nothing over.
	ordered := delivery{Manifest: 3, Generation: 3, Version: "1.0.0", Content: "a"}
	if got := deliver(ordered, ordered, false, feedback{values: moved.values()}); got != stepNothing {
		t.Errorf("set back by hand and sent: %s", got)
	}
}

func TestMirror(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	work := func(s spoke, applyErr string, available metav1.ConditionStatus) *workv1.ManifestWork {
		status := metav1.ConditionTrue
		if applyErr != "" {
			status = metav1.ConditionFalse
		}
		w := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
			annotationDelivery: delivery{Manifest: 3, Generation: 5, Version: "1.0.0"}.String(),
		}}}
		conditions := []metav1.Condition{
			{Type: workv1.WorkApplied, Status: status, Message: applyErr}, {Type: workv1.WorkAvailable, Status: available},
		}
		w.Status.Conditions = conditions
		w.Status.ResourceStatus.Manifests = []workv1.ManifestCondition{{
			Conditions: conditions, StatusFeedbacks: workv1.StatusFeedbackResult{Values: s.values()},
		}}
		return w
	}
	up := spoke{ready: "True", reason: "Installed", message: "runs", running: "1.0.0", hubGeneration: "3", generation: 2, observed: 2}
	behind := up
	behind.observed = 1
	older := up
	older.hubGeneration = "2"
	for _, tc := range []struct {
		name     string
		work     *workv1.ManifestWork
		status   metav1.ConditionStatus
		reason   string
		observed int64
	}{
		{"not in the cache yet", nil, metav1.ConditionUnknown, appsv1alpha1.ReasonNotYetReported, 1},
		{"not seen by the cluster yet", &workv1.ManifestWork{}, metav1.ConditionUnknown, appsv1alpha1.ReasonNotYetReported, 1},
		{"cannot be applied", work(spoke{}, "forbidden", metav1.ConditionFalse), metav1.ConditionFalse, appsv1alpha1.ReasonNotApplied, 1},
		{"applied, no agent", work(spoke{}, "", metav1.ConditionTrue), metav1.ConditionUnknown, appsv1alpha1.ReasonNotYetReported, 1},
		{"runs", work(up, "", metav1.ConditionTrue), metav1.ConditionTrue, "Installed", 5},
		{"the agent has not looked at the change yet", work(behind, "", metav1.ConditionTrue), metav1.ConditionTrue, "Installed", 1},
		{"the change has not been applied yet", work(older, "", metav1.ConditionTrue), metav1.ConditionTrue, "Installed", 1},
		{"deleted on the cluster", work(up, "", metav1.ConditionFalse), metav1.ConditionUnknown, appsv1alpha1.ReasonNotYetReported, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ai := &appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Generation: 5}}
			ai.Status.ObservedGeneration = 1
			mirror(ai, tc.work, now)
			c := meta.FindStatusCondition(ai.Status.Conditions, appsv1alpha1.ConditionReady)
			if c == nil || c.Status != tc.status || c.Reason != tc.reason || ai.Status.Ready != tc.status || ai.Status.ReadyReason != tc.reason {
				t.Errorf("%+v %+v", c, ai.Status)
			}
			if ai.Status.ObservedGeneration != tc.observed || c.ObservedGeneration != tc.observed {
				t.Errorf("observed generation %d and %d, want %d", ai.Status.ObservedGeneration, c.ObservedGeneration, tc.observed)
			}
		})
	}
}
