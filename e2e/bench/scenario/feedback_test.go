// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/ptr"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// modelWork is one as the hub makes it.
func modelWork() *workv1.ManifestWork {
	model := &workv1.ManifestWork{}
	model.Name, model.Namespace, model.Labels = "run", "spoke1", map[string]string{appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane}
	model.Spec.ManifestConfigs = []workv1.ManifestConfigOption{{
		ResourceIdentifier: workv1.ResourceIdentifier{Resource: "operations", Name: "run"}, FeedbackScrapeType: workv1.FeedbackWatchType,
	}}
	model.Spec.Workload.Manifests = make([]workv1.Manifest, 1)
	model.Spec.Workload.Manifests[0].Raw = []byte(`{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation","metadata":{"name":"run","namespace":"agent",` +
		`"labels":{"ops.vworkspace.io/root":"1","app.vworkspace.io/cluster-id":"spoke1"},"annotations":{"ops.vworkspace.io/start-before":"2020-01-01T00:00:00Z"}},` +
		`"spec":{"type":"RunCommand","selector":{"names":["a"],"required":true}}}`)
	return model
}

// copied is a copy of a work, and the Operation in it.
func copied(t *testing.T, model *workv1.ManifestWork, now time.Time) (*workv1.ManifestWork, *opsv1alpha1.Operation) {
	t.Helper()
	work, err := copyOf(model, workv1.FeedbackPollType, "spoke2", "b", now)
	if err != nil {
		t.Fatal(err)
	}
	op := &opsv1alpha1.Operation{}
	if err := json.Unmarshal(work.Spec.Workload.Manifests[0].Raw, op); err != nil {
		t.Fatal(err)
	}
	return work, op
}

// TestCopyOfWork: the hub does not take a copy for a work of its own, the work agent finds its configuration by the new name, and the model stays as it was.
func TestCopyOfWork(t *testing.T) {
	model := modelWork()
	work, _ := copied(t, model, time.Now())
	if work.Namespace != "spoke2" || work.Labels[appsv1alpha1.LabelManagedBy] != "" {
		t.Errorf("%s/%s %v, want our own, for spoke2", work.Namespace, work.Name, work.Labels)
	}
	if config := work.Spec.ManifestConfigs[0]; config.ResourceIdentifier.Name != work.Name || config.FeedbackScrapeType != workv1.FeedbackPollType {
		t.Errorf("%v, want that of %s, by poll", config, work.Name)
	}
	if config := model.Spec.ManifestConfigs[0]; config.ResourceIdentifier.Name != "run" || config.FeedbackScrapeType != workv1.FeedbackWatchType {
		t.Errorf("the model is now %v", config)
	}
}

// TestCopyOfOperation: every copy's is a new one to the spoke, in time, for the other instance.
func TestCopyOfOperation(t *testing.T) {
	model, now := modelWork(), time.Now()
	work, a := copied(t, model, now)
	_, b := copied(t, model, now)
	if a.Name != work.Name || a.Name == b.Name || a.Labels[opsv1alpha1.LabelRoot] == b.Labels[opsv1alpha1.LabelRoot] || a.Labels[opsv1alpha1.LabelRoot] == "1" {
		t.Errorf("%v and %v are not two", a.ObjectMeta, b.ObjectMeta)
	}
	if before, err := time.Parse(time.RFC3339, a.Annotations[opsv1alpha1.AnnotationStartBefore]); err != nil || !before.After(now) {
		t.Errorf("to start before %v, %v, which is over", before, err)
	}
	if selector := a.Spec.Selector; !slices.Equal(selector.Names, []string{"b"}) || !selector.Required || a.Labels[appsv1alpha1.LabelClusterID] != "spoke2" {
		t.Errorf("for %v of %v, want b of spoke2", selector, a.Labels)
	}
}

func TestPhaseOf(t *testing.T) {
	work := &workv1.ManifestWork{}
	if got := phaseOf(work); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	work.Status.ResourceStatus.Manifests = []workv1.ManifestCondition{{StatusFeedbacks: workv1.StatusFeedbackResult{Values: []workv1.FeedbackValue{
		{Name: "reason", Value: workv1.FieldValue{Type: workv1.String, String: ptr.To("EngineCompleted")}},
		{Name: "phase", Value: workv1.FieldValue{Type: workv1.String, String: ptr.To("Succeeded")}},
	}}}}
	if got := phaseOf(work); got != "Succeeded" {
		t.Errorf("%q, want Succeeded", got)
	}
}

// TestLatencyTable: what is polled is told beside how often.
func TestLatencyTable(t *testing.T) {
	got := Latency{WorkByPoll: []float64{1, 2, 3}, WorkByWatch: []float64{0.1}, Interval: 2}.String()
	for _, want := range []string{"| the same, feedback by poll every 2.0 to 3.8 s | 2.00 s | 3.00 s | 3.00 s | 3 |\n", "feedback by watch | 0.10 s |"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
